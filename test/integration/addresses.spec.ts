import type { CertRequest } from '@app/client'
import { OID } from '@app/oid'
import { builtInTemplates, ENROLLMENT_FLAG, type CertificateTemplate } from '@app/templates'
import {
  decodeAuthorityInfoAccess,
  decodeCertificate,
  decodeCrlDistributionPoints,
  findExtension,
  type Certificate
} from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { offerTemplate } from '../helpers/administration.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

const ldap = 'ldap://ldap.example.org/CN=CA{ca}-{key},O=Example?certificateRevocationList;binary'

let server: TestServer
let client: CertRequest

beforeAll(async () => {
  server = await startTestServer({
    settings: {
      httpBaseUrl: 'http://pki.example.org',
      addresses: { crl: [ldap], caIssuers: ['http://mirror.example.org/{ca}/{certificate}.cer'] }
    }
  })
  client = server.connect(await server.addPrincipal())
  const signature = builtInTemplates().find(({ name }) => name === 'UserSignature') as CertificateTemplate
  const oid = (number: number) => `1.3.6.1.4.1.311.21.8.77.${number}`
  const addresses = { crl: ['http://crl.example.org/{ca}/{key}.crl'], ocsp: [] }
  await offerTemplate(server, { ...signature, name: 'Mirrored', displayName: 'Mirrored', oid: oid(1), addresses })
  const enrollmentFlags = ENROLLMENT_FLAG.NO_REVOCATION_INFO
  await offerTemplate(server, { ...signature, name: 'Short', displayName: 'Short', oid: oid(2), enrollmentFlags })
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await server.stop()
})

async function issue(template: string): Promise<Certificate> {
  await client.submit(await pkcs10Request({ template }))
  return decodeCertificate(await client.getCertificate())
}

function addressesIn(certificate: Certificate): Readonly<Record<'crl' | 'caIssuers' | 'ocsp', readonly string[]>> {
  const points = findExtension(certificate, OID.id_ce_cRLDistributionPoints)
  const access = findExtension(certificate, OID.id_pe_authorityInfoAccess)
  return {
    crl: points === undefined ? [] : decodeCrlDistributionPoints(points.value),
    ...(access === undefined ? { caIssuers: [], ocsp: [] } : decodeAuthorityInfoAccess(access.value))
  }
}

describe('the addresses in certificates', () => {
  it('are those of the server and the further ones of its settings, as the CA’s properties tell', async () => {
    const { id } = server.ca
    const told = addressesIn(await issue('UserSignature'))
    expect(told).toEqual({
      crl: [
        `http://pki.example.org/crl/${id}-0.crl`,
        `ldap://ldap.example.org/CN=CA${id}-0,O=Example?certificateRevocationList;binary`
      ],
      caIssuers: [`http://pki.example.org/ca/${id}-0.cer`, `http://mirror.example.org/${id}/0.cer`],
      ocsp: [`http://pki.example.org/ocsp/${id}-0`]
    })
    const lines = async (name: string) =>
      String(await client.getCAProperty(name))
        .split('\n')
        .slice(0, -1)
    expect(await lines('CERTCDPURLS')).toEqual(told.crl)
    expect(await lines('CERTAIAURLS')).toEqual(told.caIssuers)
    expect(await lines('CERTAIAOCSPURLS')).toEqual(told.ocsp)
  })

  it('are those of the template, kind by kind, where it has some', async () => {
    const { id } = server.ca
    expect(addressesIn(await issue('Mirrored'))).toEqual({
      crl: [`http://crl.example.org/${id}/0.crl`],
      caIssuers: [`http://pki.example.org/ca/${id}-0.cer`, `http://mirror.example.org/${id}/0.cer`],
      ocsp: []
    })
  })

  it('leave out those of revocation where the template says so', async () => {
    const { crl, ocsp, caIssuers } = addressesIn(await issue('Short'))
    expect({ crl, ocsp }).toEqual({ crl: [], ocsp: [] })
    expect(caIssuers).toHaveLength(2)
  })
})
