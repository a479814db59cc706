"""The base of every page's style sheet: light and dark, desktop, phone and print."""

BASE_CSS = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5c6877;
--line:#e3e7ec;--pale:#a9b3bf;--blue:#2563eb;--hit:37 99 235;--miss:217 96 26;
--bad:#c2410c;--good:#15803d}
@media (prefers-color-scheme:dark){:root{--page:#0f141b;--card:#171e27;--ink:#e6ebf1;
--soft:#98a4b3;--line:#2a3440;--pale:#5a6675;--blue:#6ea0ff;--hit:70 125 245;--miss:222 110 45;
--bad:#fb923c;
--good:#4ade80}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main{max-width:1240px;margin:0 auto;padding:32px 24px 56px}
h1{font-size:15px;font-weight:600;color:var(--soft);margin:0 0 10px}
h2{font-size:18px;margin:0 0 4px}h3{font-size:15px;margin:22px 0 2px}
.headline{font-size:25px;line-height:1.35;font-weight:600;letter-spacing:-.01em;margin:0 0 10px;
max-width:46em;text-wrap:pretty}.headline b{color:var(--blue)}
.because{font-size:16px;margin:0 0 10px;max-width:70ch;text-wrap:pretty}
.note,.sub,.meta{color:var(--soft);font-size:13px}.note{margin:0 0 12px;max-width:80ch}
.sub{display:block;font-size:12px;white-space:nowrap}.meta{margin:0 0 22px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:20px 22px;margin:0 0 18px}
.warn{border-left:4px solid var(--bad)}.warn ul,.how ul{margin:6px 0 0;padding-left:20px}
.how li{margin:0 0 5px;color:var(--soft);font-size:13.5px}
.wide{overflow-x:auto}
.plots{display:grid;grid-template-columns:1fr 1fr;gap:26px}figure{margin:0;min-width:0}
figure .note{margin:6px 0 0}
figcaption{font-weight:600;font-size:14px;margin-bottom:4px}
.chart{display:block;width:100%;max-width:640px;height:auto;overflow:visible;font-size:11.5px}
.chart.phone{display:none}
.chart .t{fill:var(--soft)}.e{text-anchor:end}.m{text-anchor:middle}
.grid{stroke:var(--line)}.level{stroke:var(--soft);stroke-dasharray:4 4}
.budget{stroke:var(--bad);stroke-width:1.4;stroke-dasharray:2 3}.chart .limit{fill:var(--bad)}
.frontier{fill:none;stroke:var(--blue);stroke-width:1.6;stroke-linejoin:round;opacity:.75}
.beaten{fill:rgb(var(--hit)/.06)}
.lead{stroke:var(--soft);stroke-width:.8;opacity:.7}
.bar{stroke:var(--soft);stroke-width:1.4;opacity:.28}.edge .bar{stroke:var(--blue);opacity:.5}
.best .bar{stroke:var(--blue);opacity:.9}
.dot circle{fill:var(--pale)}.edge circle{fill:var(--blue)}
.best circle{fill:var(--blue)}
.bad circle,.bad polygon{fill:var(--card);stroke:var(--bad);stroke-width:2}
.bad .bar{stroke:var(--bad)}
.name{fill:var(--ink);font-size:12.5px}.chart text{paint-order:stroke;stroke:var(--card);
stroke-width:3px;
stroke-linejoin:round}.name.best{fill:var(--blue);font-weight:600}
.name.dot{fill:var(--soft)}.name.bad{fill:var(--bad)}
@media (max-width:1000px){.plots{grid-template-columns:1fr}}
@media (max-width:760px){main{padding:20px 12px 40px}section{padding:16px 14px}
.headline{font-size:20px}}
@media (max-width:520px){.chart.phone{display:block}.chart.desk{display:none}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#1b2430;--soft:#4b5563;
--line:#d5dae1;--pale:#a9b3bf;--blue:#2563eb;--hit:37 99 235;--miss:217 96 26;--bad:#c2410c;
--good:#15803d}body{-webkit-print-color-adjust:exact;print-color-adjust:exact}
main{max-width:none;padding:0}section,figure{break-inside:avoid}.wide,.scroll{overflow:visible}}
"""
