#include "cli/report_style.h"

namespace nnkernels::cli {

std::string_view report_style() {
  return R"(
:root { color-scheme: light dark; --back: #fff; --fore: #1c2128; --soft: #59636e; --rule: #d1d9e0;
  --card: #f6f8fa; --train: #0969da; --val: #9a6700; --test: #cf222e; --good: 9, 105, 218;
  --bad: 207, 74, 34; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0d1117; --fore: #e6edf3; --soft: #9198a1; --rule: #3d444d; --card: #161b22;
    --train: #58a6ff; --val: #e3b341; --test: #ff7b72; --good: 56, 139, 253; --bad: 240, 110, 60; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 16px; max-width: 1240px; background: var(--back);
  color: var(--fore); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 26px; line-height: 1.25; margin: 8px 0; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 36px 0 10px; padding-bottom: 4px; border-bottom: 1px solid var(--rule); }
h3 { font-size: 15px; margin: 16px 0 8px; }
p { margin: 8px 0; overflow-wrap: anywhere; }
.soft, footer { color: var(--soft); }
.cards { display: grid; gap: 10px; margin: 16px 0;
  grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); }
.cards div { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: 8px 12px; }
.cards dt { color: var(--soft); font-size: 13px; }
.cards dd { margin: 0; font-size: 21px; font-variant-numeric: tabular-nums; }
.cards dd.note { font-size: 13px; color: var(--soft); }
.charts { display: grid; gap: 20px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); }
.columns { display: flex; flex-wrap: wrap; gap: 8px 40px; align-items: flex-start; }
.columns section { min-width: 0; max-width: 100%; }
figure { margin: 0; max-width: 560px; }
figcaption { display: flex; flex-wrap: wrap; gap: 0 14px; }
.key { white-space: nowrap; font-size: 14px; color: var(--soft); }
.key svg { width: 26px; height: 10px; margin-right: 5px; }
.chart { display: block; width: 100%; height: auto; }
svg text { font: 13px system-ui, sans-serif; fill: var(--soft); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.grid { stroke: var(--rule); stroke-width: 1; stroke-dasharray: 2 3; }
.axis { stroke: var(--soft); stroke-width: 1; }
.line.train { stroke: var(--train); }
.line.val { stroke: var(--val); stroke-dasharray: 7 3; }
.line.test { stroke: var(--test); stroke-dasharray: 3 2; }
.dot.train { fill: var(--train); }
.dot.val { fill: var(--val); }
.dot.test { fill: var(--test); }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: 6px;
  max-width: calc(100vw - 32px); }
th, td { padding: 3px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; }
th[scope=row] { text-align: left; }
th:first-child, td:first-child { padding-left: 2px; }
td.text, th.text { text-align: left; }
tfoot th, tfoot td { border-bottom: none; }
.settings { width: 100%; table-layout: fixed; }
.settings th { width: 33%; font-weight: 400; color: var(--soft); overflow-wrap: anywhere; }
.settings th, .settings td { white-space: normal; }
.settings td { text-align: left; overflow-wrap: anywhere; }
.matrix { font-size: 13px; }
.matrix th, .matrix td { border: 1px solid var(--rule); padding: 5px 3px; min-width: 27px;
  text-align: center; }
.matrix th[scope=row] { position: sticky; left: 0; background: var(--back); padding: 5px 6px; }
.matrix .right { background: rgba(var(--good), var(--v)); }
.matrix .wrong { background: rgba(var(--bad), var(--v)); }
.matrix .none { color: var(--soft); }
.mistakes { display: grid; gap: 12px; padding: 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
.mistakes li { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: 10px; font-size: 13px; min-width: 0; overflow-wrap: anywhere; break-inside: avoid; }
.mistakes img { display: block; height: 96px; max-width: 100%; margin: 0 auto 8px;
  object-fit: contain; background: #000; }
img { image-rendering: pixelated; }
.bar { display: grid; grid-template-columns: minmax(18px, 3.2em) 1fr 3.6em; gap: 6px;
  align-items: center; }
.bar b { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bar i { display: block; height: 8px; border-radius: 2px; background: rgba(var(--bad), 0.85); }
.bar.truth i { background: rgba(var(--good), 0.85); }
.bar span { text-align: right; font-variant-numeric: tabular-nums; }
.filters { display: flex; flex-wrap: wrap; gap: 6px; }
.filters img { height: 60px; border: 1px solid var(--rule); }
summary { cursor: pointer; margin: 12px 0; }
footer { margin-top: 40px; font-size: 13px; }
@media (max-width: 500px) {
  .mistakes { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  th, td { padding: 3px 4px; font-size: 13px; }
  th[scope=row] { white-space: normal; }
  .matrix th, .matrix td { padding: 4px 1px; min-width: 22px; font-size: 11px; }
  .matrix th[scope=row] { padding: 4px 3px; }
}
@media print {
  body { max-width: none; font-size: 12px; print-color-adjust: exact;
    -webkit-print-color-adjust: exact; }
  h2 { break-after: avoid; }
  figure, tr, .cards div { break-inside: avoid; }
  .wide { overflow: visible; }
}
)";
}

}  // namespace nnkernels::cli
