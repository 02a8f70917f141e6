/** Where the links of a page lead that is served at this address. */
export const linksOf = (html: string, address: string) =>
  Array.from(html.matchAll(/(?:href|data-events)="(\.[^"]*)"/g), ([, link = ""]) => new URL(link, address).pathname)
