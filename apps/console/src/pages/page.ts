import type { FastifyReply } from 'fastify'

/** A page for people: a title, and paragraphs; a paragraph in an array of its own is a command. */
export function messagePage(title: string, paragraphs: readonly (string | readonly [string])[]): string {
  const body = paragraphs.map(paragraph =>
    typeof paragraph === 'string' ? `<p>${escaped(paragraph)}</p>` : `<pre>${escaped(paragraph[0])}</pre>`
  )
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)} · Certkeep</title></head>
<body>
<h1>${escaped(title)}</h1>
${body.join('\n')}
</body>
</html>
`
}

/** Answers with a page that loads and runs nothing. */
export async function sendPage(reply: FastifyReply, page: string): Promise<void> {
  await reply
    .header('content-type', 'text/html; charset=utf-8')
    .header(
      'content-security-policy',
      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    .send(page)
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
