import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CertificateDirectory } from '@app/client'
import { ENROLLMENT_FLAG } from '@app/templates'
import { revokeCertificateOf } from '../helpers/decisions.js'
import { offerVariant } from '../helpers/endorsed-requests.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'
import { submitBytes } from '../helpers/submission.js'

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
  const enrollmentFlags = ENROLLMENT_FLAG.PUBLISH_TO_DS
  const forKeys = { keyUsage: ['keyAgreement'] as const, keyAlgorithms: ['P-256'] as const }
  await offerVariant(server, 'UserSignature', { name: 'PublishedMail', enrollmentFlags, ...forKeys })
  await offerVariant(server, 'UserSignature', { name: 'PublishedSignature', enrollmentFlags })
})

afterAll(() => server.stop())

const directoryOf = ({ token }: TestPrincipal): CertificateDirectory =>
  new CertificateDirectory({ url: server.url, trust: server.root, credentials: { token } })

async function enroll(user: TestPrincipal, template: string): Promise<{ requestId: number; serialNumber: string }> {
  const { requestId, serialNumber = '' } = await submitBytes(server, user, await pkcs10Request({ template }))
  return { requestId, serialNumber }
}

describe('an issued certificate', () => {
  it('is published where its template says so, in the transaction that issues it', async () => {
    const user = await server.addPrincipal()
    const published = await enroll(user, 'PublishedSignature')
    await enroll(user, 'UserSignature')
    const rows = await server.sql<{ serial: string; same: boolean }>(
      `SELECT encode(c.serial_number, 'hex') AS serial, c.published_at = i.issued_at AS same
       FROM certkeep.published_certificate AS c JOIN certkeep.certificate AS i USING (ca_id, serial_number)
       WHERE c.principal_id = $1`,
      [user.row.id]
    )
    expect(rows).toEqual([{ serial: published.serialNumber, same: true }])
  })

  it('is found by the mail address of its account while mail can be encrypted to it, and later in the history', async () => {
    const [user, sender] = [await server.addPrincipal(), await server.addPrincipal()]
    const mail = user.row.mail ?? ''
    await using directory = directoryOf(sender)
    await enroll(user, 'PublishedSignature')
    await expect(directory.findEncryptionCertificate(mail)).rejects.toMatchObject({ code: 'not_found' })
    const first = await enroll(user, 'PublishedMail')
    expect((await directory.findEncryptionCertificate(mail.toUpperCase())).serialNumber).toBe(first.serialNumber)
    await server.sql(
      `UPDATE certkeep.certificate SET not_before = not_before - interval '1 hour' WHERE principal_id = $1`,
      [user.row.id]
    )
    const second = await enroll(user, 'PublishedMail')
    expect((await directory.findEncryptionCertificate(mail)).serialNumber).toBe(second.serialNumber)
    await revokeCertificateOf(server, second.requestId)
    expect((await directory.findEncryptionCertificate(mail)).serialNumber).toBe(first.serialNumber)
    expect(await directory.listEncryptionCertificates(mail)).toMatchObject([
      { serialNumber: second.serialNumber, state: 'revoked' },
      { serialNumber: first.serialNumber, state: 'good' }
    ])
    await server.sql('UPDATE certkeep.principal SET disabled_at = now() WHERE id = $1', [user.row.id])
    await expect(directory.listEncryptionCertificates(mail)).rejects.toMatchObject({ code: 'not_found' })
  })
})
