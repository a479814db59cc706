"""The style sheet of report.html: light and dark, desktop and phone."""

CSS = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5c6877;
--line:#e3e7ec;--blue:#2563eb;--hit:37 99 235;--miss:217 96 26;--bad:#c2410c;--good:#15803d}
@media (prefers-color-scheme:dark){:root{--page:#0f141b;--card:#171e27;--ink:#e6ebf1;
--soft:#98a4b3;--line:#2a3440;--blue:#6ea0ff;--hit:70 125 245;--miss:222 110 45;--bad:#fb923c;
--good:#4ade80}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main{max-width:1120px;margin:0 auto;padding:32px 24px 56px}
h1{font-size:15px;font-weight:600;color:var(--soft);margin:0 0 10px}
h2{font-size:18px;margin:0 0 4px}h3{font-size:15px;margin:22px 0 2px}
.headline{font-size:25px;line-height:1.35;font-weight:600;letter-spacing:-.01em;margin:0 0 10px;
max-width:46em;text-wrap:pretty}.headline b{color:var(--blue)}
.note,.sub,.meta{color:var(--soft);font-size:13px}.note{margin:0 0 12px;max-width:80ch}
.sub{display:block;font-size:12px;white-space:nowrap}.meta{margin:0 0 22px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:20px 22px;margin:0 0 18px}
.warn{border-left:4px solid var(--bad)}.warn ul,.how ul{margin:6px 0 0;padding-left:20px}
.how li{margin:0 0 5px;color:var(--soft);font-size:13.5px}
.wide{overflow-x:auto}
.variants{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
.variants th{text-align:right;font-size:12px;font-weight:600;color:var(--soft);
padding:6px 10px;vertical-align:bottom;border-bottom:1px solid var(--line);overflow-wrap:normal}
.variants td{text-align:right;padding:9px 10px;vertical-align:top;border-top:1px solid
var(--line);overflow-wrap:normal}
.variants th:first-child,.variants td:first-child{text-align:left;padding-left:0}
.variants td:last-child,.variants th:last-child{padding-right:0}
.variants .why td{border-top:0;padding-top:0;text-align:left;color:var(--bad);font-size:13px;
overflow-wrap:anywhere}
.pick td:first-child b{color:var(--blue)}.ok{color:var(--good)}.failed{color:var(--bad)}
.plots{display:grid;grid-template-columns:1fr 1fr;gap:26px}figure{margin:0;min-width:0}
figcaption{font-weight:600;font-size:14px;margin-bottom:4px}
.chart{display:block;width:100%;height:auto;overflow:visible;font-size:11.5px}
.chart .t{fill:var(--soft)}.e{text-anchor:end}.m{text-anchor:middle}
.grid{stroke:var(--line)}.level{stroke:var(--soft);stroke-dasharray:4 4}
.lead{stroke:var(--soft);stroke-width:.8;opacity:.6}
.bar{stroke:var(--soft);stroke-width:1.6;opacity:.7}.best .bar{stroke:var(--blue)}
.dot circle{fill:var(--soft)}.best circle{fill:var(--blue)}
.bad circle{fill:var(--card);stroke:var(--bad);stroke-width:2}
.bad .bar{stroke:var(--bad)}
.name{fill:var(--ink);font-size:12.5px}.chart text{paint-order:stroke;stroke:var(--card);
stroke-width:3px;
stroke-linejoin:round}.name.best{fill:var(--blue);font-weight:600}
.name.bad{fill:var(--bad)}
.heat{border-collapse:separate;border-spacing:1px;font-size:12px;
font-variant-numeric:tabular-nums}
.heat th{font-weight:400;color:var(--soft)}
.heat th[scope=row]{text-align:right;padding-right:8px;max-width:15em;white-space:nowrap;
overflow:hidden;text-overflow:ellipsis}
.heat thead th{vertical-align:bottom;padding-bottom:5px}
.heat thead span{writing-mode:vertical-rl;transform:rotate(180deg);max-height:13em;
display:inline-block;line-height:1.1;white-space:nowrap;overflow:hidden;
text-overflow:ellipsis}
.heat td{min-width:40px;height:34px;padding:0 3px;text-align:center;background:var(--page);
border-radius:3px}.heat.small td{min-width:13px;height:13px;padding:0}
.heat.small{font-size:10px}.heat.small th{line-height:1.1}
.heat td.hit{background:rgb(var(--hit)/var(--a))}
.heat td.miss{background:rgb(var(--miss)/var(--a))}.heat td.on{color:#fff}
.heat thead td,.heat td.recall{background:none;color:var(--soft);white-space:nowrap;
padding-left:10px;text-align:right;vertical-align:middle}
.heat thead td{vertical-align:bottom;padding-bottom:5px}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(158px,1fr));gap:12px;
padding:0;margin:10px 0 0;list-style:none}
.cards li{border:1px solid var(--line);border-radius:9px;overflow:hidden;font-size:12.5px;
line-height:1.45;background:var(--page)}
.cards img{display:block;width:100%;aspect-ratio:1;object-fit:contain;background:#8883}
.cards img.tiny{image-rendering:pixelated}
.cards div{padding:8px 10px 10px}.right{color:var(--good)}.wrong{color:var(--bad)}
@media (max-width:760px){main{padding:20px 12px 40px}section{padding:16px 14px}
.headline{font-size:20px}.plots{grid-template-columns:1fr}.chart{font-size:13px}
.chart .name{font-size:13px}.cards{grid-template-columns:1fr 1fr}
.variants thead{display:none}.variants,.variants tbody,.variants tr,.variants td{display:block}
.variants tr{border-top:1px solid var(--line);padding:10px 0}.variants tr:first-child{border:0}
.variants tr.why{border:0;padding:0 0 8px}
.variants td,.variants td:first-child{border:0;padding:3px 0;display:grid;text-align:left;
grid-template-columns:8em 1fr}.variants td:first-child{display:block;font-size:16px}
.variants td[data-label]::before{content:attr(data-label);color:var(--soft);font-size:13px}
.variants td .sub{grid-column:2}.variants .sub{white-space:normal}

.variants .none{display:none}.variants .why td:first-child{font-size:13px;
display:block}.heat th[scope=row]{position:sticky;left:0;
background:var(--card);max-width:7.5em}.heat td{min-width:32px;height:30px}}
"""
