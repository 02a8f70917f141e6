/**
 * The script that keeps the page up to date: it counts durations, and puts in the rows and events that have changed. They
 * arrive as HTML that the server has escaped, and are parsed without running scripts in them.
 *
 * While there is no live stream, because there are too many clients or a proxy holds it back, the script loads the page
 * again every 10 seconds.
 */
export const script = `
(() => {
  "use strict"
  const id = (name) => document.getElementById(name)
  const rows = id("rows"), events = id("events"), summary = id("summary"), live = id("live")
  const byKey = new Map(Array.from(rows.children, (row) => [row.dataset.key, row]))
  let ahead = Number(document.body.dataset.now) - Date.now()
  let source, isFirst
  let heardAt = Date.now(), triedAt = heardAt

  const set = (element, text) => { if (element.textContent !== text) element.textContent = text }
  const say = (text, mode) => { set(live, text); live.parentElement.className = "live " + mode }
  const lost = () => say("connection lost, trying again", "off")
  const span = (millis) => {
    const seconds = Math.max(0, Math.round(millis / 1000))
    const units = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [Math.floor(seconds / 60) % 60, "m"], [seconds % 60, "s"]]
    const largest = units.findIndex(([count]) => count > 0)
    return largest === -1 ? "0s" : units.slice(largest, largest + 2).map(([count, unit]) => count + unit).join(" ")
  }
  const percent = (at, from, to) => (to > from ? Math.min(1, Math.max(0, (at - from) / (to - from))) * 100 : 100).toFixed(2) + "%"

  const tick = () => {
    const now = Date.now() + ahead
    set(id("clock"), new Date(now).toISOString().slice(11, 19))
    for (const element of document.querySelectorAll("[data-until]")) set(element, span(element.dataset.until - now))
    for (const element of document.querySelectorAll("[data-since]")) set(element, span(now - element.dataset.since))
    for (const bar of document.querySelectorAll("svg[data-from]")) {
      const at = percent(now, Number(bar.dataset.from), Number(bar.dataset.to))
      bar.querySelector(".passed").setAttribute("width", at)
      bar.querySelector(".now").setAttribute("cx", at)
    }
  }

  const parse = (html) => new DOMParser().parseFromString(html, "text/html")
  const putRow = (row) => {
    const key = row.dataset.key
    if (byKey.has(key)) byKey.get(key).replaceWith(row)
    byKey.set(key, row)
  }
  const putOrder = (keys) => {
    const kept = new Set(keys)
    for (const key of [...byKey.keys()]) {
      if (kept.has(key)) continue
      byKey.get(key).remove()
      byKey.delete(key)
    }
    rows.append(...keys.map((key) => byKey.get(key)))
  }
  const putEvents = (list) => {
    // A stream begins with all events there are: the server may have been restarted, and have others than before.
    if (isFirst) events.replaceChildren()
    isFirst = false
    events.prepend(...list)
    while (events.children.length > 100) events.lastElementChild.remove()
  }

  const heard = (now) => {
    heardAt = Date.now()
    ahead = now - heardAt
    say("live", "on")
  }
  const onView = ({ now, rows, keys, summary: counts, title, events: happened }) => {
    heard(now)
    const table = parse("<table>" + rows.join("") + "</table>")
    for (const row of table.querySelectorAll("tr")) putRow(row)
    if (keys !== undefined) putOrder(keys)
    if (counts !== undefined) summary.replaceChildren(...parse(counts).body.childNodes)
    if (title !== undefined) document.title = title
    putEvents(parse("<ol>" + happened.join("") + "</ol>").querySelectorAll("li"))
    tick()
  }

  const readPage = async () => {
    const from = Date.now()
    const response = await fetch(location.href)
    const text = await response.text()
    // The stream came back meanwhile, and is ahead of this answer.
    if (heardAt >= from) return
    // The head is left out, because the content security policy would report the style in it.
    const page = parse(text.slice(text.indexOf("<body")))
    const counts = page.getElementById("summary")
    // This is another page, such as a login form.
    if (!response.ok || counts === null) return lost()
    if (counts.textContent !== summary.textContent) summary.replaceChildren(...counts.childNodes)
    const all = Array.from(page.querySelectorAll("#rows > tr"))
    all.forEach(putRow)
    putOrder(all.map((row) => row.dataset.key))
    events.replaceChildren(...page.querySelectorAll("#events > li"))
    document.title = page.body.dataset.title
    ahead = Number(page.body.dataset.now) - Date.now()
    say("refreshed every 10 s", "")
    tick()
  }

  const connect = () => {
    triedAt = Date.now()
    source = new EventSource(document.body.dataset.events)
    source.addEventListener("open", () => { isFirst = true })
    source.addEventListener("view", (message) => onView(JSON.parse(message.data)))
    source.addEventListener("heartbeat", (message) => heard(Number(message.data)))
    source.addEventListener("error", () => {
      if (live.parentElement.className === "live on") lost()
    })
  }
  setInterval(() => {
    tick()
    const now = Date.now()
    // A stream that works is heard at least every 15 seconds.
    const isLive = source.readyState === EventSource.OPEN && now - heardAt < 45000
    if (isLive || now - triedAt < 10000) return
    source.close()
    connect()
    readPage().catch(lost)
  }, 1000)
  tick()
  connect()
})()
`
