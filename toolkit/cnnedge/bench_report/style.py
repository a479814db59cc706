"""What the page of benchmark results adds to the base style."""

CSS = """
.results{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
.results th{text-align:right;font-size:12px;font-weight:400;color:var(--soft);padding:6px 8px;
vertical-align:top;border-bottom:1px solid var(--line);overflow-wrap:normal;cursor:pointer;
user-select:none}
.results th b{font-weight:600;white-space:nowrap}.results th .sub{white-space:normal}
.results th b::after{content:"";display:inline-block;width:0;margin-left:4px}
.results th[aria-sort=ascending] b::after{content:"\\2191"}
.results th[aria-sort=descending] b::after{content:"\\2193"}
.results th:focus-visible{outline:2px solid var(--blue);outline-offset:-2px}
.results td{text-align:right;padding:8px;vertical-align:top;border-top:1px solid var(--line);
overflow-wrap:normal}
.results td>span:first-child{white-space:nowrap}
.results th:nth-child(-n+3),.results td:nth-child(-n+3){text-align:left}
.results td:first-child{overflow-wrap:anywhere;min-width:8em}
.results .badge{white-space:nowrap}
.badge{display:inline-block;font-size:11px;line-height:1.35;color:var(--bad);border:1px solid;
border-radius:7px;padding:1px 7px;margin-top:3px;font-weight:400}
.ok{color:var(--good)}.failed{color:var(--bad)}
.curves{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:26px}
.curves .chart{max-width:760px}
.spreads{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));
gap:22px 28px}
.spreads figcaption{font-size:13px}
.hill{fill:rgb(var(--hit)/.28);stroke:var(--blue);stroke-width:1;stroke-linejoin:round}
.chart .median{stroke:var(--ink);stroke-width:1.2}
.chart .p90{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:3 3}
.reach{stroke:var(--pale);stroke-width:2.4;stroke-linecap:round}.middle{fill:var(--blue)}
.curve{fill:none;stroke:var(--blue);stroke-width:1.5;stroke-linejoin:round}
.band{fill:rgb(var(--hit)/.22)}
@media (max-width:1000px){.results td:first-child,.results th:first-child{position:sticky;left:0;
background:var(--card)}}
@media print{.results{font-size:11px}.results th,.results td{padding:4px 5px}}
"""
