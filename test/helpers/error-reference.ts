import { EXIT } from '../../apps/cli/src/exit-code.js'
import { errorMessageText, failInfoOf, formatHresult, HRESULTS, hresultOf, type HresultSymbol } from '@app/cmc'
import { ERROR_CODES, type ErrorCode } from '@app/core'
import { HTTP_PROBLEMS } from '@app/platform'
import { format, resolveConfig } from 'prettier'

/** Where each chapter of the table begins; the codes stand in the order of their definition. */
const CHAPTERS: readonly (readonly [first: ErrorCode, title: string])[] = [
  ['der_truncated', 'Encoding'],
  ['x509_structure', 'Certificates and PKCS#10'],
  ['cms_structure', 'CMS'],
  ['message_type_invalid', 'CMC and the Microsoft dialect'],
  ['key_blob_invalid', 'Archived keys'],
  ['template_missing', 'Policy'],
  ['unauthenticated', 'Access and resources'],
  ['key_store_locked', 'Keys, configuration, installation'],
  ['MQ_ERROR_INVALID_PARAMETER', 'Directory and messages'],
  ['response_signature', 'Client']
]

const EXIT_MEANINGS = {
  ok: 'done; for a request: its certificate was issued',
  failure: 'any other failure; a request that failed',
  usage: 'the command was not called as it wants to be',
  pending: 'the request waits',
  denied: 'the request was denied',
  unauthorized: 'the credential is missing, wrong or not good for this',
  notFound: 'not found, exists already, or not in the state that the command needs',
  verification: 'a response or certificate chain failed its verification; nothing was installed',
  unreachable: 'the server does not answer'
} as const satisfies Record<keyof typeof EXIT, string>

const codes = Object.keys(ERROR_CODES) as ErrorCode[]

/** docs/errors.md, whole: made of the tables that the program itself uses, and formatted like every other file. */
export async function errorReference(): Promise<string> {
  const text = [INTRODUCTION, ...CHAPTERS.map(chapter), hresultChapter(), exitChapter()].join('\n\n')
  const path = new URL('../../docs/errors.md', import.meta.url).pathname
  return format(text, { ...(await resolveConfig(path)), parser: 'markdown' })
}

const retried = codes.filter(code => HTTP_PROBLEMS[code].retryable).map(code => `\`${code}\``)

const INTRODUCTION = `# Errors

<!-- Made from the program's own tables. After a change of them: npx vitest run test/integration/docs.spec.ts -u -->

Every error has one code. At the edges it is told in the words of the protocol:

- **HTTP**: a problem document (RFC 9457) with \`code\`, \`status\`, \`detail\` and \`hresult\`. Its \`type\` is
  \`urn:certkeep:problem:\` and the code. \`instance\` names this one occurrence; the log has it as \`reference\`.
- **A request that was recorded** is answered with 201 even when it was denied or has failed. Its HRESULT is in
  \`lastStatus\`, the reason in \`dispositionMessage\`.
- **CMC**: the signed full response has the status \`failed\` and a CMCFailInfo.
- **Command line**: the last line on stderr ends with the code in brackets. The exit codes are
  [below](#exit-codes-of-the-command-line).

Sending the same again a little later may help with these codes. Every other one needs a change first: of the request,
of the client, or of the server's configuration.

${retried.map(code => `- ${code}`).join('\n')}

Every HRESULT that the program knows can be looked up: \`GET /api/v1/errors/0x80094012\` needs no credential.`

function chapter([first, title]: (typeof CHAPTERS)[number], index: number): string {
  const next = CHAPTERS[index + 1]?.[0]
  const members = codes.slice(codes.indexOf(first), next === undefined ? undefined : codes.indexOf(next))
  return table(
    title,
    ['Code', 'Meaning', 'HTTP', 'HRESULT', 'CMCFailInfo'],
    members.map(code => {
      const failInfo = failInfoOf(code)
      return [
        `\`${code}\``,
        ERROR_CODES[code],
        String(HTTP_PROBLEMS[code].status),
        hresult(hresultOf(code).symbol),
        `${failInfo.name} (${failInfo.value})`
      ]
    })
  )
}

/** The way back, for who has nothing but the number that a client shows. */
function hresultChapter(): string {
  const used = (Object.keys(HRESULTS) as HresultSymbol[])
    .map(symbol => [symbol, codes.filter(code => hresultOf(code).symbol === symbol)] as const)
    .filter(([, members]) => members.length > 0)
  return table(
    'From an HRESULT to the codes',
    ['HRESULT', 'Text', 'Codes'],
    used.map(([symbol, members]) => [
      hresult(symbol),
      errorMessageText(HRESULTS[symbol].value),
      members.map(code => `\`${code}\``).join(', ')
    ])
  )
}

function exitChapter(): string {
  const rows = (Object.keys(EXIT) as (keyof typeof EXIT)[]).map(name => [String(EXIT[name]), EXIT_MEANINGS[name]])
  return table('Exit codes of the command line', ['Exit code', 'Meaning'], rows)
}

function hresult(symbol: HresultSymbol): string {
  return `\`${formatHresult(HRESULTS[symbol].value)}\` ${symbol}`
}

function table(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)
  return [`## ${title}`, '', ...lines].join('\n')
}
