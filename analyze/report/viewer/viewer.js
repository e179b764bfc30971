// The interactive cortex of report.html: two hemispheres side by side, three shapes, any map of any mapping on
// the page, and the numbers of the vertex under the pointer. It draws what the plates draw: viewer.go sends a
// table of colours and every vertex's place in it. Needs THREE (three.js beside this file) and WebGL 2.
(() => {
  'use strict';
  const root = document.getElementById('cortex');
  const source = document.getElementById('cortex-data');
  if (!root || !source) return;
  const $ = name => root.querySelector('[data-part=' + name + ']');
  const why = $('why');
  const probe = document.createElement('canvas').getContext('webgl2');
  if (!probe || typeof DecompressionStream === 'undefined') {
    why.textContent = 'This browser offers no ' + (probe ? 'DecompressionStream' : 'WebGL 2') + ', which the interactive cortex needs. The plates below show every map.';
    return;
  }
  const lose = probe.getExtension('WEBGL_lose_context');
  if (lose) lose.loseContext();

  const types = { i8: Int8Array, u8: Uint8Array, i16: Int16Array, u16: Uint16Array, u32: Uint32Array, f32: Float32Array };
  async function unpack(data) {
    const bytes = Uint8Array.from(atob(data.blob), c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    const all = await new Response(stream).arrayBuffer();
    const read = ref => ref ? new types[ref.type](all, ref.at, ref.n) : null;
    return read;
  }

  // vertex places are sent as 0..60000 for −0.05..1, 65535 for no data
  const placeOf = q => q / 60000 * 1.05 - 0.05;
  const none = 65535;

  const vertexShader = `
    attribute float curv; attribute vec3 skin;
    varying float vCurv; varying vec3 vSkin; flat varying vec3 fSkin; varying vec3 vN;
    void main() {
      vCurv = curv; vSkin = skin; fSkin = skin; vN = normalMatrix * normal;
      gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
    }`;
  // what stands beside data but has none counts half way to the next vertex, as on the plates
  const fragmentShader = `
    uniform sampler2D table; uniform vec2 size; uniform vec4 below; uniform float steps, light;
    varying float vCurv; varying vec3 vSkin; flat varying vec3 fSkin; varying vec3 vN;
    void main() {
      vec3 c = vec3(0.74 - 0.16 * clamp(0.5 + vCurv / 0.06, 0.0, 1.0));
      vec3 s = steps > 0.5 ? fSkin : vSkin;
      if (s.z >= 0.5) {
        vec2 t = s.xy / s.z;
        if (t.x < -0.001 && below.a > 0.5) c = below.rgb;
        else {
          t = clamp(t, 0.0, 1.0);
          c = texture2D(table, steps > 0.5 ? t : (t * (size - 1.0) + 0.5) / size).rgb;
        }
      }
      float d = max(0.0, normalize(vN).z);
      gl_FragColor = vec4(c * (1.0 - light + light * d), 1.0);
    }`;
  const plainVertex = 'void main() { gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0); }';
  const plain = colour => new THREE.ShaderMaterial({ vertexShader: plainVertex,
    fragmentShader: 'void main() { gl_FragColor = vec4(' + colour.map(x => x.toFixed(3)).join(',') + ', 1.0); }' });

  // look direction and up of the left hemisphere; the right one's are mirrored
  const views = {
    lateral: [[1, 0, 0], [0, 0, 1]], medial: [[-1, 0, 0], [0, 0, 1]], posterior: [[0, 1, 0], [0, 0, 1]],
    ventral: [[0, 0, 1], [-1, 0, 0]], dorsal: [[0, 0, -1], [0, 1, 0]],
  };
  function orientation(name, right) {
    const mirror = v => new THREE.Vector3(right ? -v[0] : v[0], v[1], v[2]);
    const d = mirror(views[name][0]), up = mirror(views[name][1]);
    const across = d.clone().cross(up);
    return new THREE.Quaternion().setFromRotationMatrix(new THREE.Matrix4().makeBasis(across, up, d.clone().negate())).invert();
  }

  const number = (x, digits) => {
    if (!Number.isFinite(x)) return '–';
    const s = digits === 0 ? String(Math.round(Math.abs(x))) : Math.abs(x) < 0.0005 ? '0' : Math.abs(x) < 0.0995 ? Math.abs(x).toFixed(3) : Math.abs(x).toFixed(2);
    return (x < 0 && Number(s) !== 0 ? '−' : '') + s;
  };

  class Side { // one hemisphere
    constructor(index, info, read, material, borderMaterial) {
      this.index = index; this.name = info.name; this.n = info.n;
      this.shapes = {};
      for (const shape of ['white', 'inflated', 'flat'])
        if (info[shape]) this.shapes[shape] = Float32Array.from(read(info[shape]), v => v === -32768 ? NaN : v / 100);
      this.faces = { closed: new THREE.BufferAttribute(read(info.faces), 1) };
      if (info.flatFaces) this.faces.flat = new THREE.BufferAttribute(read(info.flatFaces), 1);
      const g = this.geometry = new THREE.BufferGeometry();
      g.setAttribute('position', new THREE.BufferAttribute(new Float32Array(3 * this.n), 3));
      g.setAttribute('curv', new THREE.BufferAttribute(Float32Array.from(read(info.curv), v => v / 400), 1));
      this.skins = [0, 1].map(() => new THREE.BufferAttribute(new Float32Array(3 * this.n), 3)); // of the map and of the one beside it
      g.setAttribute('skin', this.skins[0]);
      this.mesh = new THREE.Mesh(g, material);
      this.mesh.userData.side = this;
      this.edges = read(info.edges); this.along = read(info.along); // [S, 4] vertices, [S, 2] of 255
      const lines = new THREE.BufferGeometry();
      lines.setAttribute('position', new THREE.BufferAttribute(new Float32Array(6 * this.along.length / 2), 3));
      this.lines = new THREE.LineSegments(lines, borderMaterial);
      this.lines.frustumCulled = false;
      this.body = new THREE.Group();
      this.body.add(this.mesh, this.lines);
      this.pivot = new THREE.Group();
      this.pivot.add(this.body);
      const around = this.around = Array.from({ length: this.n }, () => new Set());
      const f = this.faces.closed.array;
      for (let i = 0; i < f.length; i += 3) for (let e = 0; e < 3; e++) { const a = f[i + e], b = f[i + (e + 1) % 3]; around[a].add(b); around[b].add(a); }
    }
    // lay moves the vertices: from white (0) to inflated (1), or flat
    lay(flat, t) {
      const p = this.geometry.attributes.position.array;
      if (flat) p.set(this.shapes.flat);
      else {
        const a = this.shapes.white || this.shapes.inflated, b = this.shapes.inflated || a;
        for (let i = 0; i < p.length; i++) p[i] = a[i] + (b[i] - a[i]) * t;
      }
      const index = flat ? this.faces.flat : this.faces.closed;
      if (flat) for (let i = 0; i < p.length; i++) if (Number.isNaN(p[i])) p[i] = 0; // in no triangle of the flat map
      this.geometry.setIndex(index);
      this.geometry.computeVertexNormals();
      this.geometry.attributes.position.needsUpdate = true;
      this.geometry.computeBoundingBox();
      this.geometry.computeBoundingSphere();
      if (flat) this.body.position.set(0, 0, 0);
      else this.geometry.boundingBox.getCenter(this.body.position).negate();
      this.border(flat);
    }
    border(flat) {
      const p = this.geometry.attributes.position.array, n = this.geometry.attributes.normal.array;
      const out = this.lines.geometry.attributes.position.array, lift = flat ? 1 : 0.7;
      for (let s = 0; s < this.along.length / 2; s++) {
        let far = 0;
        for (let end = 0; end < 2; end++) {
          const i = 3 * this.edges[4 * s + 2 * end], j = 3 * this.edges[4 * s + 2 * end + 1], t = this.along[2 * s + end] / 255;
          for (let k = 0; k < 3; k++) {
            out[6 * s + 3 * end + k] = p[i + k] + (p[j + k] - p[i + k]) * t + lift * (flat ? (k === 2 ? 1 : 0) : n[i + k]);
            far = Math.max(far, Math.abs(p[i + k] - p[j + k]));
          }
        }
        if (flat && far > 16) out.fill(0, 6 * s, 6 * s + 6); // across a cut
      }
      this.lines.geometry.attributes.position.needsUpdate = true;
    }
    // extent is half of the width and of the height on the screen
    extent() {
      const m = new THREE.Matrix4().makeRotationFromQuaternion(this.pivot.quaternion).elements, p = this.geometry.attributes.position.array, c = this.body.position;
      let x = 0, y = 0;
      for (let i = 0; i < p.length; i += 12) { // every fourth vertex: half a millimetre less at most
        const u = p[i] + c.x, v = p[i + 1] + c.y, w = p[i + 2] + c.z;
        x = Math.max(x, Math.abs(m[0] * u + m[4] * v + m[8] * w));
        y = Math.max(y, Math.abs(m[1] * u + m[5] * v + m[9] * w));
      }
      return [x, y];
    }
    point(v) { return new THREE.Vector3().fromBufferAttribute(this.geometry.attributes.position, v); }
  }

  async function start() {
    const data = JSON.parse(source.textContent);
    const read = await unpack(data);
    const canvas = $('canvas'), tip = $('tip'), output = $('numbers');
    const renderer = new THREE.WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
    renderer.setPixelRatio(Math.min(2, window.devicePixelRatio || 1));
    const scene = new THREE.Scene();
    scene.background = new THREE.Color(1, 1, 1);
    const camera = new THREE.OrthographicCamera(-1, 1, 1, -1, 1, 4000);
    camera.position.set(0, 0, 2000);
    const looks = [0, 1].map(() => ({ table: null, size: [1, 1], below: [0, 0, 0, 0], steps: 0 })); // of the two maps
    const uniforms = { table: { value: null }, size: { value: new THREE.Vector2(1, 1) }, below: { value: [0, 0, 0, 0] }, steps: { value: 0 }, light: { value: 0.38 } };
    const material = new THREE.ShaderMaterial({ uniforms, vertexShader, fragmentShader, side: THREE.DoubleSide });
    const ink = plain([0.05, 0.05, 0.06]);
    const sides = data.hemis.map((h, i) => new Side(i, h, read, material, ink));
    for (const s of sides) scene.add(s.pivot);
    const marker = new THREE.Group(); // of the selected vertex
    const inner = new THREE.Mesh(new THREE.SphereGeometry(1.5, 20, 12), plain([1, 1, 1]));
    const outer = new THREE.Mesh(new THREE.SphereGeometry(2.3, 20, 12), plain([0, 0, 0]));
    outer.position.z = -2; inner.position.z = 1;
    marker.add(inner, outer); marker.visible = false;
    scene.add(marker);

    const runs = data.runs.map(r => {
      const at = read(r.at), numbers = read(r.numbers), roi = read(r.roi); // at: hemisphere·2^24 + vertex
      const rows = [new Map(), new Map()];
      at.forEach((a, row) => rows[a >>> 24].set(a & 0xffffff, row));
      return { ...r, rows, numbers, roi, r2: r.r2.map(read) };
    });
    const state = { map: 0, second: -1, style: data.style, shape: 'inflated', morph: 1, zoom: 1, pan: [0, 0], floor: -Infinity, at: null };
    let queued = false;
    // two maps are one scene drawn twice, so whatever turns one turns the other
    const panes = () => state.second < 0 ? 1 : 2;
    const paneWidth = () => canvas.clientWidth / panes();
    const drawNow = () => {
      place();
      const w = paneWidth(), h = canvas.clientHeight;
      renderer.setScissorTest(panes() > 1);
      for (let k = 0; k < panes(); k++) {
        const look = looks[k];
        uniforms.table.value = look.table; uniforms.size.value.set(...look.size); uniforms.below.value = look.below; uniforms.steps.value = look.steps;
        for (const s of sides) s.geometry.setAttribute('skin', s.skins[k]);
        renderer.setViewport(k * w, 0, w, h); renderer.setScissor(k * w, 0, w, h);
        renderer.render(scene, camera);
      }
    };
    const draw = () => {
      if (queued) return;
      queued = true;
      requestAnimationFrame(() => { queued = false; drawNow(); });
    };
    const flat = () => state.shape === 'flat';

    // place fits the camera to the canvas and puts both hemispheres and the marker where they belong
    function place() {
      const w = paneWidth(), h = canvas.clientHeight;
      let width, height, y = 0;
      if (flat()) {
        const f = data.flat;
        width = f[0].hi[0] - f[0].lo[0] + f[1].hi[0] - f[1].lo[0] + 12;
        const lo = Math.min(f[0].lo[1], f[1].lo[1]), hi = Math.max(f[0].hi[1], f[1].hi[1]);
        height = hi - lo; y = -(hi + lo) / 2;
        const left = -width / 2;
        sides[0].pivot.position.set(left - f[0].lo[0], y, 0);
        sides[1].pivot.position.set(-left - f[1].hi[0], y, 0);
      } else { // as close as they can stand, whichever way they are turned
        const [a, b] = sides.map(s => s.extent());
        const gap = 8;
        sides[0].pivot.position.set(-gap / 2 - a[0], 0, 0);
        sides[1].pivot.position.set(gap / 2 + b[0], 0, 0);
        width = 4 * Math.max(a[0], b[0]) + gap; height = 2 * Math.max(a[1], b[1]);
      }
      const half = Math.max(width / 2, height / 2 * w / h) * 1.03 / state.zoom;
      camera.left = -half + state.pan[0]; camera.right = half + state.pan[0];
      camera.top = half * h / w + state.pan[1]; camera.bottom = -half * h / w + state.pan[1];
      camera.updateProjectionMatrix();
      scene.updateMatrixWorld(true);
      marker.visible = state.at !== null && !(flat() && Number.isNaN(sides[state.at.side].shapes.flat[3 * state.at.vertex]));
      if (marker.visible) {
        const s = sides[state.at.side];
        marker.position.copy(s.mesh.localToWorld(s.point(state.at.vertex)));
        marker.position.z += 3;
        marker.scale.setScalar(half / 220);
      }
    }
    function resize() { // which empties the canvas: draw before it is shown
      renderer.setSize(canvas.clientWidth, canvas.clientHeight, false);
      drawNow();
    }

    function orient(name) {
      for (const s of sides) s.pivot.quaternion.copy(flat() ? new THREE.Quaternion() : orientation(name, s.index === 1));
      state.zoom = 1; state.pan = [0, 0];
      draw();
    }
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    let moving = 0;
    function shape(name) {
      const before = state.shape;
      state.shape = name;
      for (const b of root.querySelectorAll('[data-shape]')) b.setAttribute('aria-pressed', String(b.dataset.shape === name));
      for (const b of root.querySelectorAll('[data-view]')) b.disabled = name === 'flat';
      uniforms.light.value = name === 'flat' ? 0 : 0.38;
      const goal = name === 'white' ? 0 : 1, from = state.morph;
      const lay = t => { state.morph = t; for (const s of sides) s.lay(name === 'flat', t); draw(); };
      cancelAnimationFrame(moving);
      if (name === 'flat' || before === 'flat') { if (name !== 'flat') lay(goal); else lay(state.morph); return orient('lateral'); }
      if (calm || from === goal) return lay(goal);
      const begun = performance.now();
      const step = now => {
        const t = Math.min(1, (now - begun) / 350);
        lay(from + (goal - from) * t * t * (3 - 2 * t));
        if (t < 1) moving = requestAnimationFrame(step);
      };
      moving = requestAnimationFrame(step);
    }

    function show() {
      const shown = state.second < 0 ? [state.map] : [state.map, state.second];
      $('key').replaceChildren();
      shown.forEach((map, k) => {
        const m = data.maps[map], run = runs[m.run], look = looks[k], pixels = read(m.tables[state.style]);
        if (look.table) look.table.dispose();
        look.table = new THREE.DataTexture(pixels, m.width, m.height, THREE.RGBAFormat, THREE.UnsignedByteType);
        look.table.magFilter = look.table.minFilter = m.steps ? THREE.NearestFilter : THREE.LinearFilter;
        look.table.needsUpdate = true;
        look.size = [m.width, m.height]; look.steps = m.steps ? 1 : 0; look.below = m.below ? [...m.below, 1] : [0, 0, 0, 0];
        for (const s of sides) {
          const u = read(m.u[s.index]), v = m.v ? read(m.v[s.index]) : null, r2 = run.r2[s.index], skin = s.skins[k];
          for (let i = 0; i < s.n; i++) {
            const seen = u[i] !== none && !(r2[i] < state.floor);
            skin.setXYZ(i, seen ? placeOf(u[i]) : 0, seen && v ? placeOf(v[i]) : 0, seen ? 1 : 0);
          }
          skin.needsUpdate = true;
        }
        if (k === 0 || m.unit !== data.maps[state.map].unit) legend(m, pixels);
        $('pane' + k).textContent = run.name + ': ' + m.title;
      });
      for (const name of ['pane0', 'pane1']) $(name).hidden = panes() < 2;
      for (const e of root.querySelectorAll('.side')) e.hidden = panes() > 1;
      $('note').textContent = shown.map(map => data.maps[map].note).filter((n, i, all) => all.indexOf(n) === i).join(' ');
      tell();
      draw();
    }

    function legend(m, pixels) {
      const key = $('key');
      const add = (tag, cls, text) => { const e = document.createElement(tag); if (cls) e.className = cls; if (text !== undefined) e.textContent = text; key.append(e); return e; };
      add('b', '', m.unit);
      if (m.steps) {
        m.categories.forEach((name, i) => {
          if (!m.found[i]) return;
          const row = add('span', 'swatch', name), c = document.createElement('i');
          c.style.background = 'rgb(' + pixels.slice(4 * i, 4 * i + 3).join(',') + ')';
          row.prepend(c);
        });
        return;
      }
      const square = m.height > 1;
      const c = add('canvas', square ? 'square' : 'bar');
      c.width = m.width; c.height = square ? m.height : 1;
      c.setAttribute('aria-hidden', 'true');
      const img = new ImageData(m.width, m.height);
      for (let y = 0; y < m.height; y++) img.data.set(pixels.subarray(4 * m.width * (m.height - 1 - y), 4 * m.width * (m.height - y)), 4 * m.width * y);
      c.getContext('2d').putImageData(img, 0, 0);
      const ends = add('span', 'ends');
      for (const t of [m.x[0], (m.x[0] + m.x[1]) / 2, m.x[1]]) { const e = document.createElement('span'); e.textContent = (t < 0 ? '−' : '') + Number(Math.abs(t).toPrecision(3)); ends.append(e); }
      if (m.legend) add('span', 'legend-note', m.legend);
      if (m.below && m.negative) { const row = add('span', 'swatch', 'below 0'), i = document.createElement('i'); i.style.background = 'rgb(' + m.below.map(x => Math.round(255 * x)).join(',') + ')'; row.prepend(i); }
    }

    // what is known of a vertex under the current map's mapping
    function facts(map, side, vertex) {
      const m = data.maps[map], run = runs[m.run], row = run.rows[side].get(vertex);
      const head = (side ? 'right' : 'left') + ' hemisphere, vertex ' + vertex;
      if (row === undefined) return { head, regions: '', list: [] };
      const k = run.columns.length;
      const list = run.columns.map((c, i) => ({ ...c, value: run.numbers[row * k + i], own: m.show.includes(c.name) }));
      return { head, regions: run.regions[run.roi[row]], list };
    }
    function tell() {
      output.replaceChildren();
      const line = (tag, text, cls) => { const e = document.createElement(tag); e.textContent = text; if (cls) e.className = cls; output.append(e); return e; };
      if (!state.at) return line('p', 'Click a vertex, or press Enter on the cortex, to read its numbers here.', 'hint');
      const maps = [state.map];
      if (state.second >= 0 && data.maps[state.second].run !== data.maps[state.map].run) maps.push(state.second);
      maps.forEach((map, i) => {
        const f = facts(map, state.at.side, state.at.vertex);
        if (i === 0) {
          line('h4', f.head[0].toUpperCase() + f.head.slice(1));
          if (f.list.length) line('p', f.regions || 'in no region', 'regions');
        }
        if (maps.length > 1) line('h5', runs[data.maps[map].run].name);
        if (!f.list.length) return line('p', 'The mapping has no number at this vertex.', 'regions');
        const dl = document.createElement('dl');
        for (const x of f.list) {
          const dt = document.createElement('dt'), dd = document.createElement('dd');
          dt.textContent = x.title; dd.textContent = number(x.value, x.digits);
          if (x.own) dt.className = dd.className = 'own';
          dl.append(dt, dd);
        }
        output.append(dl);
      });
    }
    function select(side, vertex) {
      state.at = { side, vertex };
      root.dataset.vertex = data.hemis[side].name + ' ' + vertex;
      $('hemi').value = String(side); $('vertex').value = String(vertex);
      tell(); draw();
    }

    const ray = new THREE.Raycaster();
    function pick(x, y) {
      const w = paneWidth();
      ray.setFromCamera(new THREE.Vector2(2 * (x % w) / w - 1, 1 - 2 * y / canvas.clientHeight), camera);
      const hit = ray.intersectObjects(sides.map(s => s.mesh), false)[0];
      if (!hit) return null;
      const s = hit.object.userData.side, p = hit.object.worldToLocal(hit.point.clone());
      const near = [hit.face.a, hit.face.b, hit.face.c].map(v => [s.point(v).distanceToSquared(p), v]).sort((a, b) => a[0] - b[0])[0][1];
      return { side: s.index, vertex: near };
    }
    const where = e => { const r = canvas.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
    function turn(dx, dy, first) {
      if (flat()) {
        const mm = (camera.right - camera.left) / paneWidth();
        state.pan[0] -= dx * mm; state.pan[1] += dy * mm;
        return draw();
      }
      for (const s of sides) { // the other hemisphere mirrors the one that is turned
        const x = s.index === first ? dx : -dx;
        const q = new THREE.Quaternion().setFromAxisAngle(new THREE.Vector3(0, 1, 0), x * 0.008)
          .multiply(new THREE.Quaternion().setFromAxisAngle(new THREE.Vector3(1, 0, 0), dy * 0.008));
        s.pivot.quaternion.premultiply(q);
      }
      draw();
    }
    const zoom = f => { state.zoom = Math.min(12, Math.max(0.5, state.zoom * f)); draw(); };

    let down = null, hover = 0;
    canvas.addEventListener('pointerdown', e => { const [x, y] = where(e); down = { x, y, lastX: x, lastY: y, side: x % paneWidth() < paneWidth() / 2 ? 0 : 1, far: 0 }; canvas.setPointerCapture(e.pointerId); tip.hidden = true; });
    canvas.addEventListener('pointermove', e => {
      const [x, y] = where(e);
      if (down) {
        down.far = Math.max(down.far, Math.hypot(x - down.x, y - down.y));
        if (down.far > 3) turn(x - down.lastX, y - down.lastY, down.side);
        down.lastX = x; down.lastY = y;
        return;
      }
      if (e.pointerType !== 'mouse') return;
      cancelAnimationFrame(hover);
      hover = requestAnimationFrame(() => {
        const p = pick(x, y);
        tip.hidden = !p;
        canvas.style.cursor = p ? 'crosshair' : 'grab';
        if (!p) return;
        const f = facts(x < paneWidth() ? state.map : state.second, p.side, p.vertex), own = f.list.filter(c => c.own).map(c => c.title + ' ' + number(c.value, c.digits));
        tip.textContent = [f.regions, ...own].filter(Boolean).join(' · ') || 'no data';
        tip.style.left = Math.min(x + 14, canvas.clientWidth - tip.offsetWidth - 4) + 'px';
        tip.style.top = Math.max(0, y - 34) + 'px';
      });
    });
    canvas.addEventListener('pointerup', e => { const [x, y] = where(e); if (down && down.far <= 3) { const p = pick(x, y); if (p) select(p.side, p.vertex); } down = null; });
    canvas.addEventListener('pointercancel', () => { down = null; });
    canvas.addEventListener('pointerleave', () => { cancelAnimationFrame(hover); tip.hidden = true; });
    canvas.addEventListener('wheel', e => { // the page scrolls unless the cortex has the focus
      if (document.activeElement !== canvas && !e.ctrlKey) return;
      e.preventDefault();
      zoom(Math.exp(-e.deltaY * 0.0015));
    }, { passive: false });

    // step moves the selection to the neighbour that lies in a direction of the screen
    function step(dx, dy) {
      if (!state.at) return centre();
      const s = sides[state.at.side], m = s.mesh;
      const here = m.localToWorld(s.point(state.at.vertex));
      let best = null, most = 0.2;
      for (const v of s.around[state.at.vertex]) {
        const d = m.localToWorld(s.point(v)).sub(here).normalize();
        const toward = d.x * dx + d.y * dy;
        if (toward > most) { most = toward; best = v; }
      }
      if (best !== null) select(state.at.side, best);
    }
    function centre() {
      for (const [x, y] of [[0.5, 0.5], [0.25, 0.5], [0.3, 0.5], [0.2, 0.5], [0.75, 0.5]]) {
        const p = pick(x * paneWidth(), y * canvas.clientHeight);
        if (p) return select(p.side, p.vertex);
      }
    }
    const names = Object.keys(views);
    canvas.addEventListener('keydown', e => {
      if (e.ctrlKey || e.metaKey || e.altKey) return;
      const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const a = arrows[e.key];
      if (a && e.shiftKey) step(a[0], a[1]);
      else if (a) turn(flat() ? -24 * a[0] : 12 * a[0], flat() ? 24 * a[1] : -12 * a[1], 0);
      else if (e.key === '+' || e.key === '=') zoom(1.25);
      else if (e.key === '-') zoom(0.8);
      else if (e.key === '0') orient('lateral');
      else if (e.key >= '1' && e.key <= String(names.length) && !flat()) orient(names[e.key - 1]);
      else if (e.key === 'Enter') centre();
      else if (e.key === 'm' || e.key === 'M') { const n = data.maps.length; choose((state.map + (e.key === 'm' ? 1 : n - 1)) % n); }
      else return;
      e.preventDefault();
    });

    const select_ = $('map'), second = $('second');
    for (const list of [select_, second]) {
      let group = null;
      data.maps.forEach((m, i) => {
        const run = runs[m.run];
        if (runs.length > 1 && (!group || group.label !== run.name)) { group = document.createElement('optgroup'); group.label = run.name; list.append(group); }
        const o = document.createElement('option');
        o.value = String(i); o.textContent = m.title + (run.simulated ? ' (simulated)' : '');
        (group || list).append(o);
      });
    }
    $('beside').hidden = data.maps.length < 2;
    second.addEventListener('change', () => { state.second = Number(second.value); show(); });
    function choose(i) { state.map = i; select_.value = String(i); limits(); show(); }
    const slider = $('floor'), said = $('floor-said');
    function limits() { // the slider runs over the mapping's R²
      const run = runs[data.maps[state.map].run];
      state.floor = Number(slider.value) === 0 ? -Infinity : run.top * Number(slider.value) / 100;
      said.textContent = state.floor === -Infinity ? 'all' : number(state.floor);
      slider.setAttribute('aria-valuetext', state.floor === -Infinity ? 'all vertices' : 'R² of at least ' + number(state.floor));
    }
    $('style').value = String(state.style);
    $('style').addEventListener('change', e => { state.style = Number(e.target.value); show(); });
    slider.addEventListener('input', () => { limits(); show(); });
    select_.addEventListener('change', () => choose(Number(select_.value)));
    for (const b of root.querySelectorAll('[data-shape]')) { b.hidden = !sides.every(s => s.shapes[b.dataset.shape]); b.addEventListener('click', () => shape(b.dataset.shape)); }
    for (const b of root.querySelectorAll('[data-view]')) b.addEventListener('click', () => orient(b.dataset.view));
    $('reset').addEventListener('click', () => orient('lateral'));
    $('borders').addEventListener('change', e => { for (const s of sides) s.lines.visible = e.target.checked; draw(); });
    $('goto').addEventListener('submit', e => {
      e.preventDefault();
      const side = Number($('hemi').value), v = Number($('vertex').value);
      if (Number.isInteger(v) && v >= 0 && v < sides[side].n) select(side, v);
    });
    $('vertex').max = String(sides[0].n - 1);
    root.classList.add('ready');
    why.hidden = true;
    shape('inflated');
    orient(data.view || 'lateral');
    if (data.beside) { state.second = data.beside[1]; second.value = String(data.beside[1]); }
    choose(data.beside ? data.beside[0] : 0);
    resize();
    new ResizeObserver(resize).observe(canvas);
  }
  start().catch(e => {
    root.classList.remove('ready');
    why.hidden = false;
    why.textContent = 'The interactive cortex could not start (' + e.message + '). The plates below show every map.';
  });
})();
