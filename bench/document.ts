/**
 * Puts generated parts into a document, between a line `<!-- bench:NAME -->` and a line `<!-- /bench -->`. A part that
 * the document does not have is left out.
 */
export const fill = (text: string, parts: ReadonlyMap<string, string>): string =>
  text.replaceAll(/<!-- bench:([\w-]+) -->\n[\s\S]*?<!-- \/bench -->/g, (found, name: string) => {
    const part = parts.get(name)
    return part === undefined ? found : `<!-- bench:${name} -->\n\n${part}\n\n<!-- /bench -->`
  })
