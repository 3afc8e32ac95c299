import { copyFile, readFile } from 'node:fs/promises'
import { createLogger } from '@app/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startRoles } from '../../apps/cli/src/roles.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { fencedBlocks, readDocument } from '../helpers/markdown.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { runPython } from './programs.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

const [recipe = ''] = fencedBlocks(readDocument('docs/audit.md'), 'python')

let directory: WorkDirectory
let server: TestServer
let exported: string

beforeAll(async () => {
  directory = await makeWorkDirectory()
  server = await startTestServer()
  const account = await server.addPrincipal({ displayName: 'Jürgen "Jo" Meier', accountName: 'größe\u{1f600}' })
  await using client = server.connect(account)
  await client.submit(await pkcs10Request({ template: 'UserSignature' }), { wait: 10 })
  const log = createLogger({ level: 'silent', format: 'json' })
  await (await startRoles(server.running.installation, ['authority'], log)).stop()
  await using console = server.operate(await server.addOperator('auditor'))
  const pieces: Uint8Array[] = []
  for await (const piece of console.audit.export()) pieces.push(piece)
  exported = await directory.put('audit.jsonl', Buffer.concat(pieces))
  await copyFile(`${server.config.home}/audit/checkpoints.jsonl`, directory.at('checkpoints.jsonl'))
})

afterAll(async () => {
  await server.stop()
  await directory.remove()
})

/** The export or the checkpoints with a change, as a file. */
async function changed(name: string, change: (text: string) => string): Promise<string> {
  const text = await readFile(directory.at(name), 'utf8')
  const different = change(text)
  expect(different).not.toBe(text)
  return directory.put(`changed-${name}`, different)
}

describe('the recipe of docs/audit.md', () => {
  it('verifies an exported log with Python and OpenSSL alone', async () => {
    expect(await runPython(recipe, exported, directory.at('checkpoints.jsonl'))).toMatch(
      /(\d\d) entries are as they were written/
    )
  })

  it('names an entry that was changed, and refuses a checkpoint that another key signed', async () => {
    const file = await changed('audit.jsonl', text => text.replace('"template.activated"', '"template.retired"'))
    await expect(runPython(recipe, file, directory.at('checkpoints.jsonl'))).rejects.toThrow(
      /entry \d+ at position \d+ is not as it was written/
    )
    const forged = await changed('checkpoints.jsonl', text => text.replace(/"settled":(\d+)/, '"settled":9$1'))
    await expect(runPython(recipe, exported, forged)).rejects.toThrow(/CalledProcessError/)
  })
})
