import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CertRequest, Console } from '@app/client'
import { fromBase64, toHex } from '@app/core'
import { DerReader } from '@app/der'
import { ENROLLMENT_FLAG, SUBJECT_NAME_FLAG } from '@app/templates'
import { decodeCertificate } from '@app/x509'
import { identityOf, offerVariant, submitAs } from '../helpers/endorsed-requests.js'
import { reaching, submitPending } from '../helpers/pending-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let officer: Console
let user: TestPrincipal
let computer: TestPrincipal

beforeAll(async () => {
  server = await startTestServer()
  officer = server.operate(await server.addOperator('officer'))
  user = await server.addPrincipal()
  computer = await server.addPrincipal({ kind: 'computer' })
  const held = { enrollmentFlags: ENROLLMENT_FLAG.PEND_ALL_REQUESTS }
  await offerVariant(server, 'UserSignature', { name: 'HeldSignature', ...held })
  await offerVariant(server, 'WebServer', {
    name: 'HeldServer',
    ...held,
    subjectNameFlags:
      SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT | SUBJECT_NAME_FLAG.OLD_CERT_SUPPLIES_SUBJECT_AND_ALT_NAME
  })
})

afterAll(async () => {
  await officer[Symbol.asyncDispose]()
  await server.stop()
})

/** The members of a TBSCertificate but for the serial number and the validity, which are those of the moment. */
function lastingParts(tbs: Uint8Array): readonly string[] {
  const members = DerReader.over(tbs)
    .sequence('TBSCertificate')
    .each(list => toHex(list.any('member').raw))
  return members.filter((_, place) => place !== 1 && place !== 4)
}

/** Previews a pending request, has it approved, and gives both. */
async function previewAndIssue(principal: TestPrincipal, id: number) {
  const preview = await officer.queue.preview(id)
  expect(preview).toMatchObject({ verdict: 'issue' })
  await officer.queue.approve(id)
  await reaching(server, id, 'issued')
  await using client: CertRequest = server.connect(principal)
  await client.retrievePending(id)
  const certificate = decodeCertificate(await client.getCertificate())
  const previewed = fromBase64(preview.tbsCertificate ?? '') ?? new Uint8Array()
  expect(lastingParts(previewed)).toEqual(lastingParts(certificate.tbs))
  const told = preview.fields.find(({ name }) => name === 'notAfter')?.issued as string
  expect(Math.abs(Date.parse(told) - certificate.notAfter.getTime())).toBeLessThan(30_000)
  return preview
}

describe('the preview of a pending request', () => {
  it('is the certificate that is issued, where the names are those of the request', async () => {
    await using client = server.connect(computer)
    const preview = await previewAndIssue(computer, await submitPending(client, 'WebServer', 'preview.example.org'))
    expect(preview.fields.find(({ field }) => field === 'subject')).toMatchObject({ change: 'same' })
  })

  it('is the certificate that is issued, where the names are those of the directory', async () => {
    const { request } = await submitAs(server, user, { type: 'cmc', template: { name: 'HeldSignature' } })
    const preview = await previewAndIssue(user, request.requestId)
    expect(preview.fields.find(({ field }) => field === 'subject')?.reason).toMatch(/directory/)
  })

  it('is the certificate that is issued for a renewal, whose names are those of the old certificate', async () => {
    const old = await identityOf(server, computer, {
      template: { name: 'HeldServer' },
      subject: 'CN=old.example.org,O=Example',
      subjectAltNames: ['dns:old.example.org']
    })
    const { request } = await submitAs(server, computer, {
      type: 'cmc',
      template: { name: 'HeldServer' },
      subject: 'CN=other.example.org',
      renew: old
    })
    const preview = await previewAndIssue(computer, request.requestId)
    expect(preview.fields.filter(({ field }) => field === 'subject')).toMatchObject([
      { name: 'CN', requested: 'other.example.org', issued: 'old.example.org', change: 'changed' },
      {
        name: 'O',
        issued: 'Example',
        change: 'added',
        reason: expect.stringContaining('certificate that is renewed') as string
      }
    ])
  })
})
