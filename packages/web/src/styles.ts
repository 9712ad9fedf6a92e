const LIGHT = `
  --paper: #fdfcfa; --ink: #1d2126; --muted: #5a6169; --rule: #dedad2; --panel: #f4f1eb; --grid: #e6e2da; --thin: #efe9dd;
  --accent: #0a5a8c; --good: #0b6647; --good-bg: #e2f1ea; --warn: #7a4e00; --warn-bg: #fbefd5; --bad: #a32a1e; --bad-bg: #fbe6e2;
  --bar: #7d93a6; --genuine: #0a6ea8; --impostor: #b8530a;
  --c0: #4a5058; --c1: #0072b2; --c2: #c75300; --c3: #00805e; --c4: #a43a8f; --c5: #94690a; --c6: #2f86b8; --c7: #84224f; --c8: #3c6b14;`;

const DARK = `
  --paper: #14171a; --ink: #e9e6e0; --muted: #a3a9b0; --rule: #33383e; --panel: #1d2125; --grid: #2a2f34; --thin: #262320;
  --accent: #7cc0ee; --good: #6fd3a8; --good-bg: #14342a; --warn: #f0c46a; --warn-bg: #3a2d10; --bad: #ff9a8a; --bad-bg: #451f1a;
  --bar: #6f8496; --genuine: #5fb4ea; --impostor: #f29a55;
  --c0: #b9bfc6; --c1: #5ab4ec; --c2: #ff9148; --c3: #38c79c; --c4: #e08ed0; --c5: #e2b646; --c6: #9fd2f5; --c7: #ee86a8; --c8: #9bd06a;`;

const TEXT = `
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif; font-variant-numeric: lining-nums; overflow-wrap: break-word; }
h1, h2, h3, h4 { line-height: 1.2; text-wrap: balance; overflow-wrap: anywhere; }
h1, .chapter > h2, .verdict h2, .tiles b { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", "Source Serif 4", "Liberation Serif", Georgia, serif; font-weight: 600; }
h1 { font-size: clamp(1.7rem, 1.2rem + 2.4vw, 2.7rem); margin: 0 0 .5rem; letter-spacing: -.01em; }
h3 { font-size: 1.05rem; margin: 2.6rem 0 .8rem; }
h4 { font-size: .9rem; margin: 0 0 .4rem; }
p { margin: 0 0 .9rem; max-width: 44rem; text-wrap: pretty; }
a { color: var(--accent); text-underline-offset: .15em; }
code, .file { font: .86em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }
.digest { color: var(--muted); font-size: .78em; }
.file { display: block; }
.rank { display: inline-block; min-width: 2em; color: var(--muted); }
small { display: block; font-size: .82em; line-height: 1.35; color: var(--muted); }
.quiet { color: var(--muted); }
.needs { color: var(--warn); font-style: italic; }
td .needs { display: inline-block; white-space: normal; max-width: 8.5rem; line-height: 1.3; }
.line { white-space: nowrap; }
.kicker { font-size: .78rem; font-weight: 600; letter-spacing: .09em; text-transform: uppercase; color: var(--muted); margin: 0 0 .5rem; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem 1rem; z-index: 3; }`;

const LAYOUT = `
.page { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
main { min-width: 0; }
.contents { display: none; }
@media (min-width: 1160px) {
  .page { max-width: 80rem; display: grid; grid-template-columns: 12.5rem minmax(0, 1fr); column-gap: 3.5rem; }
  .contents { display: block; position: sticky; top: 2.5rem; align-self: start; font-size: .85rem; }
}
.contents ol { list-style: none; margin: .2rem 0 0; padding: 0 0 0 1rem; border-left: 1px solid var(--rule); counter-reset: toc; }
.contents li { margin: .42rem 0; }
.contents a { color: var(--muted); text-decoration: none; }
.contents a:hover { color: var(--accent); text-decoration: underline; }
.head { margin-bottom: 2rem; }
.sub { font-size: 1.08rem; margin-bottom: .2rem; }
.meta { color: var(--muted); font-size: .92rem; font-variant-numeric: tabular-nums; }
.chapter { margin-top: 4.5rem; counter-increment: chapter; scroll-margin-top: 1.5rem; }
main { counter-reset: chapter; }
.chapter > h2 { font-size: 1.65rem; margin: 0 0 .7rem; padding-top: .9rem; border-top: 2px solid var(--ink); }
.chapter > h2::before { content: counter(chapter); color: var(--muted); font-weight: 400; margin-right: .8rem; font-variant-numeric: lining-nums; }
.lead { font-size: 1.04rem; color: var(--muted); margin-bottom: 1.6rem; }
.answer { font-size: 1.04rem; max-width: 46rem; margin-bottom: 1.4rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1.5rem 2.2rem; align-items: start; }
.pair > * { min-width: 0; margin-top: 0; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--rule); color: var(--muted); font-size: .86rem; }`;

const BOXES = `
.illustration { margin: 0 0 2rem; padding: 1.2rem 1.4rem 1.1rem; color: var(--warn); border: 2px solid var(--warn); border-radius: 4px; background: repeating-linear-gradient(-45deg, var(--warn-bg) 0 14px, var(--paper) 14px 28px); }
.illustration strong { display: inline-block; font-size: 1.25rem; background: var(--paper); padding: .1rem .6rem; }
.illustration p { margin: .5rem 0 0; color: var(--ink); background: var(--paper); padding: .2rem .6rem; width: fit-content; }
.strip { position: sticky; top: 0; z-index: 2; background: var(--warn); color: var(--paper); text-align: center; font-weight: 600; font-size: .8rem; letter-spacing: .08em; text-transform: uppercase; padding: .2rem; }
.verdict { border: 1px solid var(--rule); border-top: 4px solid var(--good); background: var(--panel); border-radius: 3px; padding: 1.5rem 1.7rem 1.1rem; }
.verdict.none { border-top-color: var(--bad); }
.verdict h2 { font-size: 1.55rem; margin: 0 0 1.2rem; }
.verdict.none h2 { color: var(--bad); }
.pickword { color: var(--good); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1.2rem 1.8rem; margin: 0 0 1.3rem; }
.tiles dt { font-size: .84rem; color: var(--muted); }
.tiles dd { margin: 0; }
.tiles b { display: block; font-size: 1.75rem; line-height: 1.25; font-variant-numeric: lining-nums; white-space: nowrap; }
.tiles span { font-size: .84rem; color: var(--muted); display: block; font-variant-numeric: tabular-nums; }
.why { padding-left: 1.1rem; margin: 0 0 .8rem; max-width: 46rem; }
.why li { margin: .25rem 0; }
.budgets { font-size: .88rem; color: var(--muted); margin: 0 0 .3rem; }
.cautions { margin-top: 1.6rem; border-left: 4px solid var(--warn); padding: .2rem 0 .2rem 1.4rem; }
.cautions h2 { font-size: 1.05rem; margin: 0 0 .6rem; }
.cautions ul { list-style: none; padding: 0; margin: 0; max-width: 50rem; }
.cautions li { margin: .45rem 0; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 3px; padding: .02rem .42rem; font-size: .78rem; line-height: 1.45; font-weight: 600; white-space: nowrap; font-style: normal; }
.badge.good { color: var(--good); background: var(--good-bg); }
.badge.bad { color: var(--bad); background: var(--bad-bg); }
.badge.warn { color: var(--warn); background: var(--warn-bg); }
.badge.plain { color: var(--muted); }
details { margin: 1rem 0; border: 1px solid var(--rule); border-radius: 3px; }
summary { padding: .6rem 1rem; cursor: pointer; font-size: .93rem; color: var(--accent); }
.folded { padding: 0 1rem .6rem; }
.next { padding-left: 1.3rem; max-width: 46rem; }
.next li { margin: .4rem 0; padding-left: .3rem; }`;

const TABLES = `
.scroll { overflow-x: auto; margin: 0 0 1.6rem; }
table { border-collapse: collapse; width: 100%; font-size: .89rem; line-height: 1.4; }
caption { text-align: left; font-size: .84rem; color: var(--muted); padding-bottom: .5rem; }
th, td { text-align: left; vertical-align: top; padding: .48rem .8rem .48rem 0; border-bottom: 1px solid var(--rule); }
tr > :last-child { padding-right: .4rem; }
tr > :first-child { padding-left: .4rem; }
thead th, thead td { border-bottom: 1.5px solid var(--ink); font-weight: 600; font-size: .84rem; vertical-align: bottom; line-height: 1.3; }
tbody th { font-weight: 500; }
.num { text-align: right; font-variant-numeric: tabular-nums lining-nums; }
td.num { white-space: nowrap; }
th.num .who { justify-content: flex-end; }
tr.picked > *, td.picked { background: var(--panel); }
tr.alarm > * { background: var(--bad-bg); }
tr.total > * { border-top: 1.5px solid var(--ink); font-weight: 600; }
.sheet th[scope=row] { min-width: 9rem; }
.sheet thead th { min-width: 6.2rem; }
.sheet thead .who { flex-direction: column; align-items: flex-end; gap: .2rem; }
.sheet thead .swatch { margin-right: 0; }
.group > th { font-size: .78rem; letter-spacing: .07em; text-transform: uppercase; color: var(--muted); padding-top: 1.5rem; }
.meter { display: block; height: 3px; background: var(--grid); margin-top: .3rem; min-width: 2.5rem; }
.meter i { display: block; height: 100%; background: var(--good); margin-left: auto; }
.part { color: var(--warn); font-weight: 600; }
.facts { margin: 0 0 1.5rem; font-size: .93rem; }
.facts > div { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: .2rem 1.5rem; padding: .5rem 0; border-bottom: 1px solid var(--rule); }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.notes { font-size: .93rem; margin: 0; }
.notes dt { font-weight: 600; }
.notes dd { margin: .2rem 0 1rem 2.3rem; }
.notes p { margin: 0; }
@media (max-width: 640px) {
  .page { padding: 1.4rem 1rem 3rem; }
  .verdict { padding: 1.1rem 1.1rem .8rem; }
  .facts > div { grid-template-columns: 1fr; }
  .chapter { margin-top: 3.2rem; }
  .sheet th[scope=row], .sheet thead td { position: sticky; left: 0; background: var(--paper); min-width: 7.5rem; }
}`;

const FIGURES = `
figure { margin: 0 0 1.2rem; }
figcaption { font-size: .86rem; line-height: 1.5; color: var(--muted); max-width: 46rem; margin-top: .5rem; text-wrap: pretty; }
.plot { display: block; width: 100%; height: auto; overflow: visible; color: var(--muted); font-family: inherit; font-variant-numeric: tabular-nums; }
.plot text { white-space: pre; }
.wide { overflow-x: auto; }
.who { white-space: normal; }
.who > span { min-width: 0; overflow-wrap: anywhere; }
.legend .who { max-width: 100%; }
td .who, tbody th .who { min-width: 7rem; }
.swatch { vertical-align: -.12em; margin-right: .45rem; }
.legend .who, td .who, th .who { display: inline-flex; align-items: flex-start; }
.legend .swatch, td .swatch, th .swatch { margin-top: .24em; }
.swatch { flex: none; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; font-size: .88rem; max-width: none; margin: 0 0 1.6rem; }
@media (max-width: 640px) { .wide .plot { min-width: 36rem; } }`;

const PRINT = `
@page { margin: 16mm 14mm; }
@media print {
  :root { ${LIGHT} --paper: #fff; color-scheme: light; }
  body { font-size: 9.5pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .contents, .skip, .strip { display: none; }
  .page { display: block; max-width: none; padding: 0; }
  .chapter { margin-top: 2.2rem; }
  h2, h3, h4, caption, .lead, .count { break-after: avoid; break-inside: avoid; }
  figure, .verdict, .cautions, .facts > div, tr, .illustration { break-inside: avoid; }
  thead { display: table-header-group; break-after: avoid; }
  tbody tr:first-child { break-before: avoid; }
  .scroll { overflow: visible; }
  table { font-size: 7.6pt; }
  th, td { padding: .25rem .5rem .25rem 0; }
  .sheet thead th { min-width: 0; }
  .sheet th[scope=row] { min-width: 0; }
  .pair { grid-template-columns: 1fr 1fr; }
  details { border: none; }
  details::details-content { content-visibility: visible; display: block; block-size: auto; opacity: 1; }
  details > .folded { display: block; padding: 0; }
  summary { list-style: none; color: var(--ink); font-weight: 600; padding: .3rem 0; break-after: avoid; }
  a { color: inherit; text-decoration: none; }
}`;

/**
 * The page's style. Every colour is a variable, so that light, dark and print are three short lists; the candidates' colours (--c0 is the baseline's)
 * are told apart by colour-blind readers, and charts give each a shape and a dash as well.
 */
export const STYLES = `
:root { color-scheme: light dark; ${LIGHT} }
@media screen and (prefers-color-scheme: dark) { :root { ${DARK} } }
${TEXT}
${LAYOUT}
${BOXES}
${TABLES}
${FIGURES}
${PRINT}
`;
