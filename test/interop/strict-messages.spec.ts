import { webcrypto } from 'node:crypto'
import { join } from 'node:path'
import { ContentInfo, CryptoEngine, SignedData } from 'pkijs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { markdownTable, withSection } from '../helpers/generated-section.js'
import { PROJECT } from '../helpers/markdown.js'
import { makeBadMessages, refusalOf, soundMessage, type BadMessage } from '../helpers/strict-messages.js'
import { runJava, runOpenssl } from './programs.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

const engine = new CryptoEngine({ name: 'node', crypto: webcrypto })
let directory: WorkDirectory
let bad: readonly BadMessage[]
/** By program, of the sound message and then of every bad one. */
let accepted: Readonly<Record<'openssl' | 'bouncyCastle' | 'pkijs', readonly boolean[]>>

beforeAll(async () => {
  directory = await makeWorkDirectory()
  bad = await makeBadMessages()
  const messages = [soundMessage, ...bad.map(({ message }) => message)]
  const files: string[] = []
  for (const [index, message] of messages.entries()) files.push(await directory.put(`${index}.der`, message))
  const openssl: boolean[] = []
  for (const file of files) openssl.push(await opensslAccepts(file))
  const pkijs: boolean[] = []
  for (const message of messages) pkijs.push(await pkijsAccepts(message))
  accepted = { openssl, pkijs, bouncyCastle: await runJava('JudgeMessages', files) }
})

afterAll(async () => {
  await directory.remove()
})

async function opensslAccepts(file: string): Promise<boolean> {
  const verify = ['cms', '-verify', '-noverify', '-binary', '-inform', 'DER', '-in', file]
  return runOpenssl(verify).then(
    () => true,
    (error: Error) => {
      if (/ ended with /.test(error.message)) return false
      throw error
    }
  )
}

async function pkijsAccepts(message: Uint8Array): Promise<boolean> {
  try {
    const signedData = new SignedData({ schema: ContentInfo.fromBER(Uint8Array.from(message).buffer).content })
    return await signedData.verify({ signer: 0, checkChain: false }, engine)
  } catch {
    return false
  }
}

describe('OpenSSL, Bouncy Castle and PKI.js', () => {
  it('accept the sound message, as is done here', () => {
    expect(refusalOf(soundMessage)).toBeUndefined()
    const { openssl, bouncyCastle, pkijs } = accepted
    expect([openssl[0], bouncyCastle[0], pkijs[0]]).toEqual([true, true, true])
  })

  it('accept of the bad messages what docs/conformance.md says; here all are refused', async () => {
    const says = (verdict: boolean | undefined): string => (verdict === true ? 'accepts' : 'refuses')
    const rows = bad.map(({ what, message }, index) => [
      what,
      `\`${refusalOf(message) ?? 'accepted'}\``,
      says(accepted.openssl[index + 1]),
      says(accepted.bouncyCastle[index + 1]),
      says(accepted.pkijs[index + 1])
    ])
    expect(bad.filter(({ message, code }) => refusalOf(message) !== code)).toEqual([])
    const head = ['What is wrong', 'Refused here with', 'OpenSSL', 'Bouncy Castle', 'PKI.js']
    const path = join(PROJECT, 'docs/conformance.md')
    const document = await withSection(path, 'strict messages', markdownTable(head, rows))
    await expect(document).toMatchFileSnapshot(path)
  })
})
