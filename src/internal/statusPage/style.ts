/** The style sheet of the page. Its colours have a contrast of at least 4.5 to 1, in light and in dark. */
export const style = `
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--text:#1c2128;--soft:#57606a;--line:#dfe3e8;--track:#d5dae1;
--ready:#116329;--degraded:#7d4e00;--down:#b1201b;--starting:#0a58b5;--stopped:#57606a;--wash:#fdf0ef;--focus:#0a58b5}
@media (prefers-color-scheme:dark){:root{--page:#0e1217;--card:#161b22;--text:#e6edf3;--soft:#9aa5b1;--line:#2a313a;
--track:#38414c;--ready:#56d27b;--degraded:#e6b450;--down:#ff8078;--starting:#6cb6ff;--stopped:#9aa5b1;--wash:#261a1c;
--focus:#6cb6ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:90rem;padding:1.25rem 1.5rem 2rem;background:var(--page);color:var(--text);
font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
h1{font-size:1.25rem;line-height:1.3;margin:0;overflow-wrap:anywhere}
h2{font-size:1rem;margin:1.5rem 0 .5rem}
p{margin:0}
small{display:block;color:var(--soft);font-size:.8571rem;font-weight:400}
a{color:var(--starting)}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px;border-radius:2px}
#tokens:focus{outline:none}
.hidden,caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.skip{position:absolute;left:-9999px}
.skip:focus{left:1.5rem;top:.25rem;z-index:1;background:var(--card);padding:.25rem .5rem}
header{display:flex;flex-wrap:wrap;gap:.375rem 1rem;align-items:baseline;margin-bottom:1rem}
.live{margin-left:auto;color:var(--soft)}
.live #live::before{content:"";display:inline-block;width:.5em;height:.5em;margin-right:.45em;border-radius:50%;border:2px solid}
.live.on #live{color:var(--ready)}
.live.on #live::before{background:currentColor}
.live.off #live{color:var(--down)}
#summary{flex-basis:100%;display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:center}
.badge{display:inline-flex;align-items:center;gap:.4em;font-weight:600;white-space:nowrap}
.ready .badge,.badge.ready{color:var(--ready)}
.degraded .badge,.badge.degraded{color:var(--degraded)}
.down .badge,.badge.down{color:var(--down)}
.starting .badge,.badge.starting{color:var(--starting)}
.stopped .badge,.badge.stopped{color:var(--stopped)}
.shape{flex:none;fill:currentColor}
.shape .cut,.shape .line{fill:none;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
.shape .cut{stroke:var(--card)}
.shape .line{stroke:currentColor}
table{width:100%;border-collapse:separate;border-spacing:0;background:var(--card);border:1px solid var(--line);border-radius:8px}
th,td{padding:.6rem .75rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
thead th{padding-block:.5rem;color:var(--soft);font-size:.8571rem;font-weight:500;white-space:nowrap}
tbody th,tbody td{border-top:1px solid var(--line)}
tbody th{min-width:9rem;font-weight:600}
tr.down>*{background:var(--wash)}
tbody tr:last-child>:first-child{border-bottom-left-radius:7px}
tbody tr:last-child>:last-child{border-bottom-right-radius:7px}
.life{width:30%;min-width:15rem}
.left,.next{white-space:nowrap}
.outcome{min-width:12rem;width:24%}
.outcome b{font-weight:600}
.advice{display:block}
.degraded .outcome b,.degraded .failures b{color:var(--degraded)}
.down .outcome b,.down .failures b{color:var(--down)}
.none{color:var(--soft)}
.bar{display:block;overflow:visible;margin:.2rem 0}
.track{fill:var(--track)}
.passed{fill:var(--soft)}
.ready .passed{fill:var(--ready)}
.degraded .passed{fill:var(--degraded)}
.down .passed{fill:var(--down)}
.due{fill:var(--text)}
.now{fill:var(--card);stroke:var(--text);stroke-width:2}
.times{display:flex;justify-content:space-between;gap:0 .75rem;color:var(--soft);font-size:.8571rem}
.times time{display:block}
.times span:nth-child(2):not(:last-child){text-align:center}
.times span:last-child{text-align:right}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin-top:.5rem;color:var(--soft);font-size:.8571rem}
.legend span{display:inline-flex;align-items:center;gap:.4em}
.events{max-height:22rem;overflow-y:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
.events:has(ol:empty)::after{content:"Nothing has happened yet.";display:block;padding:.6rem .75rem;color:var(--soft)}
ol{list-style:none;margin:0;padding:0}
li{padding:.4rem .75rem;overflow-wrap:anywhere}
li+li{border-top:1px solid var(--line)}
li time{color:var(--soft);margin-right:.5em}
li bdi{font-weight:600;margin:0 .35em}
.word{display:inline-block;min-width:4.5em;font-weight:600}
.issued .word{color:var(--ready)}
.failed .word,.expired .word{color:var(--down)}
.refused .word{color:var(--degraded)}
.dropped .word{color:var(--stopped)}
footer{margin-top:1.25rem}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem}
@media (max-width:70rem){
body{padding:1rem}
.live{margin-left:0}
table,tbody{display:block;background:none;border:0}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tbody tr{display:grid;grid-template-columns:1fr 1fr;gap:.5rem .75rem;margin-bottom:.75rem;padding:.75rem;background:var(--card);
border:1px solid var(--line);border-radius:8px}
tbody tr.down{background:var(--wash)}
tbody th,tbody td{display:block;padding:0;border:0;min-width:0;width:auto}
tr.down>*{background:none}
td::before{content:attr(data-label);display:block;color:var(--soft);font-size:.8571rem}
td.state::before,td.life::before{display:none}
.life,.outcome{grid-column:1/-1;width:auto;min-width:0}
.left,.next{white-space:normal}
}
`
