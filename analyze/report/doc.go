// Package report writes what a person opens: tables, plates and one offline page.
//
// # What is written
//
//	DIR/tables/NAME.csv .md .tex .parquet   every table of every mapping, rows of one name joined
//	DIR/plates/RUN_MAP.png .svg     every map; RUN_MAP.csv holds its numbers, a row a vertex
//	DIR/plates/RUN_CHART.svg .png   the charts; their numbers are tables
//	DIR/report.html                 one file
//
// RUN is MODEL_SUBJECT_PROTOCOL-seedS, with -KEY behind it where two mappings would have the same. Files are
// whole or absent; report.html comes last.
//
// # The page
//
// The page needs no network and no other file: styles and scripts are inline, plates are PNG as data URIs,
// charts are inline SVG. Its content security policy forbids everything else ("default-src 'none'", scripts
// by their digest alone), so a browser would refuse to load or to run what slipped in. It reads on a phone,
// prints, and says everything that a picture shows in words and numbers too: each figure has an alternative
// text and its numbers in a table.
//
// Two scripts add what a printed page can't: tables that sort, and the interactive cortex (directory viewer):
// three.js and some 500 lines that turn the hemispheres, lay them flat, switch maps, hide what is predicted badly
// and tell the numbers of a vertex. It shows what the plates show: draw.Drape gives it their colours, gaps
// and borders. Without scripts or WebGL 2 the page says why it is missing, and is complete without it.
//
// Mailed files should be small: the page stays below 15 MB. With many mappings pictures lose colours and pixels, then
// maps, then parts go, and the page says so (budget.go has the order); mappings' parts are then folded, and the table of
// all mappings leads to each.
//
// The order is that of a careful reader: what was mapped onto whom, what to be wary of, the key numbers;
// then maps, alignment, regions; then how it was done, by what, and whose photographs and data it used.
// Everything from simulated responses says so in the heading, in each figure and in each table.
package report
