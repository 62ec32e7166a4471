import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
import { node, person, progress, start } from "./player.mjs";
const service = await start("target/debug/hpl-service", ["--running-max","2"]);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const out="/tmp/shots_live";
try {
  const ada = await person(service, "ada"), bob = await person(service,"bob"), cy = await person(service,"a-quite-long-user-name");
  const a = await node(service,"node-one"), b = await node(service,"node-with-a-rather-long-name-07");
  const spec=(title,n,w=1800)=>({benchmark:"hpl",parameters:{n,nb:128,p:2,q:2},title,walltime_s:w});
  const j1 = await ada.submit(spec("first full run",30000));
  const r1 = await a.claim();
  await r1.tell([{kind:"preparing"},{kind:"started"}]);
  await r1.tell(Array.from({length:160},(_,i)=>progress(i+1,400)));
  await r1.log(Array.from({length:300},(_,i)=>`Panel ${i} of 400: \u001b[32m${90-i/100}\u001b[0m Gflop/s\n`).join(""));
  await r1.beat({ dropped:{log_bytes:2048}, samples: Array.from({length:60},(_,n)=>({at_ms:5000*n,values:{cpu_busy_ratio:.97+.02*Math.sin(n),clock_mean_hz:3.1e9-4e6*n,temperature_max_celsius:60+n/4,power_w:95+3*Math.sin(n/3),memory_used_bytes:7.3e9+1e6*n,swap_used_bytes:0,network_received_bytes_per_s:2e5+1e4*n}}))});
  const j2 = await bob.submit(spec("bob’s tune NB",20000));
  const r2 = await b.claim(); await r2.tell([{kind:"preparing"}]);
  const w = [];
  for (const [who,t,n] of [[ada,"second, after the first",25000],[bob,"",12000],[cy,"A title that goes on and on because its author wanted to say everything about the run in it, really",38000],[ada,"small one",3000],[cy,"",9000]]) w.push(await who.submit(spec(t,n, n===3000?100:1800)));
  await bob.submit({...spec("needs a label",1000), needs:{labels:["gpu"]}});
  await fetch(`${service.url}/api/v1/jobs/${w[1]}/visibility`,{method:"PUT",headers:{authorization:`Bearer ${bob.token}`,"content-type":"application/json"},body:JSON.stringify({visibility:"private"})});
  const shot = async (name, path, o={}) => {
    for (const [width,height] of [[390,844],[1280,900]]) for (const scheme of o.schemes??["light","dark"]) {
      const c = await browser.newContext({viewport:{width,height},colorScheme:scheme,javaScriptEnabled:o.js??true});
      await c.addCookies((o.who??ada).cookie());
      const p = await c.newPage(); const errs=[];
      p.on("console",m=>m.type()==="error"&&errs.push(m.text())); p.on("pageerror",e=>errs.push(String(e)));
      await p.goto(service.url+path); await p.waitForTimeout(1500);
      if (o.act) await o.act(p);
      const over = await p.evaluate(()=>document.documentElement.scrollWidth-innerWidth);
      if (over>0||errs.length) console.log(name,width,scheme,"over",over,errs);
      if (o.js!==false) { await p.evaluate(AXE); const r=await p.evaluate(()=>axe.run({runOnly:['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']})); for(const v of r.violations) console.log(name,width,scheme,'AXE',v.id,v.impact,v.nodes.slice(0,3).map(n=>n.html.slice(0,120)+' '+n.failureSummary.slice(0,160))); }
      await p.screenshot({path:`${out}/${name}-${width}-${scheme}.png`,fullPage:true}); await c.close();
    }
  };
  await shot("queue","/queue"); await shot("jobs","/jobs?owner=me",{schemes:["light"]});
  await shot("running",`/jobs/${j1}`,{act:async p=>{const f=p.getByLabel("Search in the log"); if(await f.count()){await f.fill("panel 29"); await p.waitForTimeout(400);} }});
  await shot("running-nojs",`/jobs/${j1}`,{js:false,schemes:["light"]});
  await shot("waiting",`/jobs/${w[0]}`,{schemes:["light"]});
  await shot("preparing",`/jobs/${j2}`,{who:bob,schemes:["light"]});
  // live end: focus and place stay
  const c = await browser.newContext({viewport:{width:1280,height:900}}); await c.addCookies(ada.cookie()); const p = await c.newPage();
  const errs=[]; p.on("console",m=>m.type()==="error"&&errs.push(m.text())); p.on("pageerror",e=>errs.push(String(e)));
  await p.goto(`${service.url}/jobs/${j1}`); await p.waitForTimeout(1000);
  await p.getByLabel("Search in the log").focus(); await p.evaluate(()=>scrollTo(0,500));
  const y0=await p.evaluate(()=>scrollY);
  await r1.tell([progress(161,400)]);
  await p.waitForTimeout(500); console.log("pace", await p.textContent("#pace-percent"));
  await r1.tell([{kind:"finishing"}]); await p.waitForTimeout(1800);
  console.log("now:", await p.textContent(".way .now strong"));
  await r1.finish({outcome:"failed",class:"benchmark",code:"exit",detail:"the program ended with status 1"}).catch(e=>console.log(String(e)));
  await p.waitForTimeout(2500);
  console.log("said:", await p.textContent("#said"), "| scroll", y0, await p.evaluate(()=>scrollY), "| focus", await p.evaluate(()=>document.activeElement.id), "|", await p.textContent(".state"), await p.title(), errs);
  await p.screenshot({path:`${out}/ended.png`,fullPage:true});
} finally { await browser.close(); service.stop(); }
