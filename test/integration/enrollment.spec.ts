import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { CR_DISP_ISSUED, CR_GEMT_HRESULT_STRING, CR_IN_CMC, Enrollment, FR_PROP_FULLRESPONSE } from '@app/client'
import { startTestServer, type TestServer } from '../helpers/server.js'

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
})

afterAll(async () => {
  await server.stop()
})

describe('archiving a key with its certificate', () => {
  it('runs as the classic call sequence does', async () => {
    const requester = await server.addPrincipal()
    const request = server.connect(requester)

    const exchange = await request.getCACertificate({ exchange: true })
    const enrollment = new Enrollment({ privateKeyArchiveCertificate: exchange, trust: server.root })
    const cmc = await enrollment.createRequest({
      type: 'cmc',
      subject: 'CN=UserName,OU=UserUnit,O=UserOrg,L=UserCity,S=WA,C=US',
      template: { name: 'UserEncryption' }
    })
    const disposition = await request.submit(cmc, { flags: CR_IN_CMC })
    expect([request.lastStatus, request.dispositionMessage]).toEqual(['0x00000000', 'Issued'])
    expect(disposition).toBe(CR_DISP_ISSUED)
    expect(await request.getErrorMessageText(request.lastStatus, CR_GEMT_HRESULT_STRING)).toContain('0x00000000')

    const response = await request.getFullResponseProperty(FR_PROP_FULLRESPONSE)
    const accepted = await enrollment.acceptResponse(response)
    const certificate = new X509Certificate(accepted.certificate)
    expect(certificate.subject).toContain(requester.row.accountName)
    expect(certificate.checkPrivateKey(accepted.privateKey)).toBe(true)
    expect(certificate.verify(createPublicKey(server.root))).toBe(true)
  })
})
