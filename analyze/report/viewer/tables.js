// Tables that sort: a click on a column's heading, or Enter on it, sorts the rows by it, once more the other way.
// And parts that are open on paper.
(() => {
  'use strict';
  const value = text => {
    const n = Number(text.replace('−', '-').replace(/,/g, ''));
    return text === '–' || text === '' ? null : Number.isNaN(n) ? text : n;
  };
  const order = (a, b) => a === null || b === null ? (a === null) - (b === null)
    : typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
  for (const table of document.querySelectorAll('table')) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    if (!body || body.rows.length < 2) continue;
    heads.forEach((head, i) => {
      const button = document.createElement('button');
      button.type = 'button'; button.className = 'sort';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const up = head.getAttribute('aria-sort') !== 'ascending';
        for (const h of heads) h.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        const key = row => { const c = row.cells[i]; return value((c.firstChild ? c.firstChild.textContent : '').trim()); };
        const rows = [...body.rows].map(row => [key(row), row]);
        rows.sort((a, b) => a[0] === null || b[0] === null ? order(a[0], b[0]) : up ? order(a[0], b[0]) : order(b[0], a[0]));
        body.append(...rows.map(r => r[1]));
      });
    });
  }
  // on paper nothing is folded
  const folded = () => [...document.querySelectorAll('details')].filter(d => !d.open);
  let opened = [];
  window.addEventListener('beforeprint', () => { opened = folded(); for (const d of opened) d.open = true; });
  window.addEventListener('afterprint', () => { for (const d of opened) d.open = false; opened = []; });
})();
