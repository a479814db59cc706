"""The style sheet of report.html: light and dark, desktop and phone."""

from ...pages.style import BASE_CSS

CSS = (
    BASE_CSS
    + """
.variants{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
.variants th{text-align:right;font-size:12px;font-weight:600;color:var(--soft);
padding:6px 8px;vertical-align:top;border-bottom:1px solid var(--line);overflow-wrap:normal}
.variants th .sub{font-weight:400}
.variants td{text-align:right;padding:8px;vertical-align:top;border-top:1px solid
var(--line);overflow-wrap:normal}
.variants th:first-child,.variants td:first-child{text-align:left;padding-left:10px}
.variants td:first-child .sub{white-space:normal}
.variants td>span:first-child{white-space:nowrap}
.variants td:last-child,.variants th:last-child{padding-right:10px}
.variants .pick td{background:rgb(var(--hit)/.09)}
.variants .remedy td{border-top:0}.variants .remedy td:first-child{padding-left:30px}
.variants .remedy td:first-child b::before{content:"\\21B3";color:var(--soft);font-weight:400;
margin:0 6px 0 -20px}
.badge{display:inline-block;font-size:11px;line-height:1.35;color:var(--bad);border:1px solid;
border-radius:7px;padding:1px 7px;margin-top:3px}
.variants .why td{border-top:0;padding-top:0;text-align:left;color:var(--bad);font-size:13px;
overflow-wrap:anywhere}
.pick td:first-child b{color:var(--blue)}.ok{color:var(--good)}.failed{color:var(--bad)}
.bars{display:grid;gap:5px;font-size:13px;font-variant-numeric:tabular-nums;margin-top:12px}
.bars .row{display:grid;grid-template-columns:13em 1fr 10.5em 3.2em;gap:12px;align-items:center}
.bars .row>b{font-weight:400;text-align:right;overflow:hidden;text-overflow:ellipsis;
white-space:nowrap}.bars .row>span{white-space:nowrap}.bars .row>span b{font-weight:600}
.bars .share{color:var(--soft);text-align:right}
.bars .pick>b{color:var(--blue);font-weight:600}.bars .bad>b{color:var(--bad)}
.track{position:relative;height:14px}.track i{position:absolute;left:0;top:0;bottom:0;
border-radius:3px}.whole{background:rgb(var(--hit)/.2)}.part{background:rgb(var(--hit)/.85)}
.bars .bad .whole{background:rgb(var(--miss)/.2)}.bars .bad .part{background:rgb(var(--miss)/.7)}
.noise .row{grid-template-columns:23em 1fr 5em 9em}.noise .row>b{text-align:left}
.noise u{display:inline-block;width:2.2em;color:var(--soft);text-decoration:none;
font-size:12px}.noise .row>b .sub{display:inline;margin-left:7px}
.noise .part{background:rgb(var(--hit)/.45)}.noise .worst .part{background:rgb(var(--miss)/.9)}
.noise .worst>b{font-weight:600}.noise .worst>b .sub{font-weight:400}
.noise .row>span:nth-child(3){text-align:right}
.track .dot{width:9px;height:9px;border-radius:50%;top:2.5px;margin-left:-4.5px;
background:var(--card);border:2px solid var(--ink)}
.bars .ruler{color:var(--soft)}.bars .ruler>*{font-size:11.5px}.ruler .track i{font-style:normal;
transform:translateX(-50%)}.bars .ruler>b{padding-left:2.6em}
.finding{font-size:16px;margin:4px 0 8px;max-width:70ch}
.overview{display:block;width:100%;height:90px;margin-top:14px;border-bottom:1px solid var(--line)}
.overview .each{fill:rgb(var(--hit)/.4)}.overview .worst{fill:rgb(var(--miss)/.95)}
.overview polyline{fill:none;stroke:var(--ink);stroke-width:1.5;vector-effect:non-scaling-stroke}
.ends{display:flex;justify-content:space-between;color:var(--soft);font-size:11.5px}
.scroll{overflow:auto;max-height:600px;margin-top:10px}
.layers{width:100%;table-layout:fixed;min-width:calc(21em + var(--n)*56px);font-size:12px;
border-collapse:separate;border-spacing:2px;
font-variant-numeric:tabular-nums}
.layers thead th{position:sticky;top:0;z-index:2;background:var(--card);vertical-align:bottom;
text-align:right;padding:0 6px 6px;font-size:12px;overflow-wrap:break-word}
.layers thead th:first-child{width:21em;text-align:left}.layers thead b{font-weight:600}
.layers .sub{font-size:11px;font-weight:400}
.layers.upright thead th:not(:first-child)>b{display:inline-block;writing-mode:vertical-rl;
transform:rotate(180deg);line-height:1.1;white-space:nowrap;max-height:13em;overflow:hidden;
text-overflow:ellipsis;margin-bottom:4px}
.layers th[scope=row]{position:sticky;left:0;z-index:1;background:var(--card);text-align:left;
padding:0 10px 0 0;font-weight:400;white-space:nowrap;overflow:hidden;
text-overflow:ellipsis}.layers thead th:first-child{left:0;z-index:3;padding-left:0}
.layers th[scope=row] b{font-weight:500}.layers th[scope=row] .sub{display:inline;
margin-left:8px}
.cell{position:relative;height:26px;padding:0 6px 4px;text-align:right;border-radius:3px;
background:linear-gradient(rgb(var(--hit)/calc(var(--a)*.7)) 0 0),var(--page)}
.cell::before,.cell::after{content:"";position:absolute;left:0;bottom:0;height:5px;
border-radius:0 2px 2px 3px}.cell::before{width:var(--g);background:rgb(var(--miss)/.3)}
.cell::after{width:var(--w);background:rgb(var(--miss))}
.layers .none{text-align:center;color:var(--soft)}
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
details{margin-top:14px}summary{cursor:pointer}summary .sub{display:inline;margin-left:6px}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(158px,1fr));gap:12px;
padding:0;margin:10px 0 0;list-style:none}
.cards li{border:1px solid var(--line);border-radius:9px;overflow:hidden;font-size:12.5px;
line-height:1.45;background:var(--page)}
.cards img{display:block;width:100%;aspect-ratio:1;object-fit:contain;background:#8883}
.cards img.tiny{image-rendering:pixelated}
.cards div{padding:8px 10px 10px}.right{color:var(--good)}.wrong{color:var(--bad)}
@media (max-width:1000px){.rows{overflow:visible}
.variants thead{display:none}.variants,.variants tbody{display:block}
.variants tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(96px,1fr));gap:8px 10px;
border-top:1px solid var(--line);padding:12px 0}.variants tr:first-child{border:0}
.variants tr.why{border:0;padding:0 0 10px;margin-top:-4px;grid-template-columns:1fr}
.variants td,.variants td:first-child,.variants .remedy td:first-child{border:0;padding:0;
text-align:left;min-width:0}.variants td:first-child{grid-column:1/-2;font-size:16px}
.variants td:last-child{grid-column:-2/-1;grid-row:1;text-align:right;padding:0}
.variants td[data-label]::before{content:attr(data-label);display:block;color:var(--soft);
font-size:11.5px;line-height:1.3}.variants td:last-child::before{display:none!important}
.variants td .sub{white-space:normal}.variants .pick td{background:none}
.variants tr.pick{background:rgb(var(--hit)/.09);margin:0 -14px;padding:12px 14px}
.variants tr.remedy{border-top:0;padding-left:22px}.variants .none{display:none}
.variants .why td:first-child{font-size:13px;grid-column:auto;text-align:left}}
@media (max-width:760px){.cards{grid-template-columns:1fr 1fr}
.heat th[scope=row]{position:sticky;left:0;
background:var(--card);max-width:7.5em}.heat td{min-width:32px;height:30px}
.bars .row{grid-template-columns:1fr auto;gap:1px 10px}
.bars .row>b{text-align:left;grid-column:1}.bars .row>.track{grid-column:1/3;grid-row:2}
.bars .row>span:nth-child(3){grid-column:2;grid-row:1}.bars .share{display:none}
.bars{gap:9px}.layers{min-width:calc(9.5em + var(--n)*56px)}
.layers thead th:first-child{width:9.5em}.layers th[scope=row] .sub{display:none}
.layers th[scope=row]{white-space:normal;overflow-wrap:anywhere;font-size:11px;line-height:1.2}}
"""
)
