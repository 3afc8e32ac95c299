import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  answerRequest,
  issueExchangeCertificate,
  makeCa,
  pemOf,
  SAMPLE_NOW
} from '../../../test/helpers/enrollment-ca.js'
import { sampleKey } from '../../../test/helpers/x509-samples.js'
import { Enrollment } from './enrollment.js'
import {
  findSubmission,
  loadPending,
  pendingFilesIn,
  readPendingRequest,
  removePending,
  savePending,
  saveSubmission
} from './pending-directory.js'

const ca = makeCa('CN=Sample CA')
const restoring = { trust: pemOf(ca.certificate), clock: { now: () => SAMPLE_NOW } }
const settings = {
  ...restoring,
  privateKeyArchiveCertificate: issueExchangeCertificate(ca).raw,
  key: { privateKey: sampleKey('P-256').privateKey }
}

let parent: string
let directory: string

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'certkeep-pending-'))
  directory = join(parent, 'new', 'enrollment')
})

afterEach(() => {
  rmSync(parent, { recursive: true })
})

async function saved(passphrase?: string): Promise<Uint8Array> {
  const enrollment = new Enrollment(settings)
  const request = await enrollment.createRequest({ type: 'cmc', subject: 'CN=Sample' })
  await savePending(directory, enrollment, request, passphrase === undefined ? {} : { passphrase })
  return request
}

describe('a pending enrollment', () => {
  it('is taken up from its directory and accepts the response', async () => {
    const request = await saved()
    expect(await readPendingRequest(directory)).toEqual(request)
    const enrollment = await loadPending(directory, restoring)
    expect(enrollment.archivesKey).toBe(true)
    await expect(enrollment.acceptResponse(await answerRequest(ca, [], request))).resolves.toMatchObject({
      chain: [ca.certificate.raw]
    })
  })

  it('refuses the response to another request after it was taken up', async () => {
    await saved()
    const other = await new Enrollment(settings).createRequest({ type: 'cmc' })
    const enrollment = await loadPending(directory, restoring)
    await expect(enrollment.acceptResponse(await answerRequest(ca, [], other))).rejects.toMatchObject({
      code: 'response_transaction'
    })
  })

  it('is readable by its owner alone and has no key outside of the key file', async () => {
    await saved()
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    const files = pendingFilesIn(directory)
    expect(readdirSync(directory).toSorted()).toEqual(['pending.json', 'pending.key', 'request.pem'])
    for (const path of [files.key, files.state, files.request]) expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(files.key, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----/)
    expect(JSON.parse(readFileSync(files.state, 'utf8'))).toEqual({
      version: 1,
      type: 'cmc',
      publicKey: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      transactionId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      senderNonce: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      keyHash: { algorithm: 'sha256', value: expect.stringMatching(/^[0-9a-f]{64}$/) as string }
    })
  })

  it('opens with its passphrase only', { timeout: 30_000 }, async () => {
    await saved('correct horse')
    expect(readFileSync(pendingFilesIn(directory).key, 'utf8')).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
    await expect(loadPending(directory, { ...restoring, passphrase: 'correct horse' })).resolves.toBeDefined()
    for (const wrong of [restoring, { ...restoring, passphrase: 'wrong' }]) {
      await expect(loadPending(directory, wrong)).rejects.toMatchObject({ code: 'key_store_locked' })
    }
  })

  it('is never overwritten', async () => {
    const request = await saved()
    await expect(saved()).rejects.toMatchObject({ code: 'file_exists' })
    expect(await readPendingRequest(directory)).toEqual(request)
  })

  it('remembers where it went, once', async () => {
    await saved()
    expect(await findSubmission(directory)).toBeUndefined()
    const submission = { requestId: 17, ca: 'Sample CA', url: 'https://ca.example.org' }
    await saveSubmission(directory, submission)
    expect(await findSubmission(directory)).toEqual(submission)
    await expect(saveSubmission(directory, submission)).rejects.toMatchObject({ code: 'file_exists' })
  })

  it('leaves nothing behind when it is complete, and spares what else is there', async () => {
    await saved()
    writeFileSync(join(directory, 'key.pem'), 'mine')
    await removePending(directory)
    expect(readdirSync(directory)).toEqual(['key.pem'])
    rmSync(join(directory, 'key.pem'))
    await removePending(directory)
    expect(readdirSync(join(parent, 'new'))).toEqual([])
  })

  it.each([
    ['no JSON', '{', 'key_store_invalid'],
    ['of another version', '{"version":2}', 'key_store_invalid'],
    ['for another key', '{"version":1,"type":"cmc","publicKey":"00"}', 'key_store_invalid']
  ])('whose state is %s is refused', async (_what, text, code) => {
    await saved()
    const { state } = pendingFilesIn(directory)
    rmSync(state)
    writeFileSync(state, text)
    await expect(loadPending(directory, restoring)).rejects.toMatchObject({ code })
  })

  it.each(['transactionId', 'senderNonce', 'keyHash'])('whose state has a damaged %s is refused', async name => {
    await saved()
    const { state } = pendingFilesIn(directory)
    const fields = JSON.parse(readFileSync(state, 'utf8')) as Record<string, unknown>
    writeFileSync(state, JSON.stringify({ ...fields, [name]: 'xyz' }))
    await expect(loadPending(directory, restoring)).rejects.toMatchObject({ code: 'key_store_invalid' })
  })

  it('that is not there is not found', async () => {
    await expect(loadPending(parent, restoring)).rejects.toMatchObject({ code: 'not_found' })
    await expect(readPendingRequest(parent)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('keeps the number of its request when that is exported with it', async () => {
    const enrollment = new Enrollment(settings)
    await enrollment.createRequest({ type: 'cmc' })
    const exported = await enrollment.exportPending({ requestId: 17 })
    expect(Enrollment.restore(exported, restoring).requestId).toBe(17)
  })
})
