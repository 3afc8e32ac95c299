import { decodeStoredRequest } from '@app/cmc'
import { isAppError } from '@app/core'
import { certificatePreview, previewCertificate } from '@app/issuance'
import type { Requester } from '@app/policy'
import { builtInTemplates } from '@app/templates'
import { decodeCertificate } from '@app/x509'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildSampleCertificate, mutationsOf, sampleKey } from '../helpers/x509-samples.js'
import { readVector } from '../helpers/vectors.js'

const key = sampleKey('P-256')
const issuer = {
  certificate: decodeCertificate(buildSampleCertificate(key)),
  scheme: key.scheme,
  crlUrls: ['http://pki.example/ca.crl'],
  caIssuersUrls: ['http://pki.example/ca.cer'],
  ocspUrls: []
}
const requester: Requester = {
  id: '0b6f9f3e-6c9e-4c62-9d0c-0d6f0e2f6b11',
  kind: 'user',
  sid: 'S-1-5-21-1-2-3-1104',
  accountName: 'alice',
  domain: 'EXAMPLE',
  upn: 'alice@corp.example',
  mail: 'alice@corp.example',
  groups: []
}
const messages = ['certreq-archival-rsa1024', 'certreq-cmc-renewal', 'certreq-pkcs10'].map(name =>
  readVector(`adcs/${name}.der`)
)

describe('the preview of a damaged request', () => {
  it('is one, for every request that can be decoded and every template', () => {
    let shown = 0
    fc.assert(
      fc.property(
        fc.constantFrom(...messages).chain(mutationsOf),
        fc.constantFrom(...builtInTemplates()),
        (bytes, template) => {
          let stored: ReturnType<typeof decodeStoredRequest>
          try {
            stored = decodeStoredRequest(bytes)
          } catch (error) {
            if (!isAppError(error)) throw error
            return
          }
          const now = new Date(issuer.certificate.notBefore.getTime() + 1000)
          const request = { ...stored, requestAttributes: [] }
          certificatePreview.parse(previewCertificate({ template, requester, request, issuer, now }))
          shown++
        }
      ),
      { numRuns: 1000 }
    )
    expect(shown).toBeGreaterThan(20)
  })
})
