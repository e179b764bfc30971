// Package report writes what a person opens: tables, plates and one offline page.
//
// # What is written
//
//	DIR/tables/NAME.csv .md .tex    every table of every mapping, rows of one name joined
//	DIR/plates/RUN_MAP.png .svg     every map; RUN_MAP.csv holds its numbers, a row a vertex
//	DIR/plates/RUN_CHART.svg .png   the charts; their numbers are tables
//	DIR/report.html                 one file
//
// RUN is MODEL_SUBJECT_PROTOCOL-seedS. Files are whole or absent; report.html comes last.
//
// # The page
//
// The page needs no script, no network and no other file: styles are inline, plates are PNG as data URIs,
// charts are inline SVG. Its content security policy forbids everything else ("default-src 'none'"), so a
// browser would refuse to load what slipped in. It reads on a phone, prints, and says everything that a
// picture shows in words and numbers too: each figure has an alternative text and its numbers in a table.
//
// The order is that of a careful reader: what was mapped onto whom, what to be wary of, the key numbers;
// then maps, alignment, regions; then how it was done, by what, and whose photographs and data it used.
// Everything from simulated responses says so in the heading, in each figure and in each table.
package report
