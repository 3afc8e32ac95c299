import { Inject, Injectable } from '@nestjs/common'
import type { Entropy, ErrorCode } from '@app/core'
import { buildFullResponse, CR_IN, decodeStoredRequest, failInfoOf, type FullResponsePlan } from '@app/cmc'
import { ENTROPY } from '@app/platform'
import { CrlStore, type RequestRow, type RevocationAnswerRow } from '@app/storage'
import type { DigestName } from '@app/x509'
import type { IssuingCa } from '../ca/ca-registry.js'

/** What a response tells of its request. */
export type Told =
  { readonly state: 'issued'; readonly certificate: Uint8Array } | { readonly state: 'pending' | 'denied' | 'failed' }

/** Builds and signs the full responses, one for every outcome (MS-WCCE 3.2.1.4.2.1.4.8.2). */
@Injectable()
export class FullResponseFactory {
  constructor(
    private readonly crls: CrlStore,
    @Inject(ENTROPY) private readonly entropy: Entropy
  ) {}

  /** The signed response, DER. Throws what the signer throws. */
  async build(row: RequestRow, ca: IssuingCa, told: Told): Promise<Uint8Array> {
    // Who trusts an older root only gets to the present key by the cross certificates.
    const chain = [ca.certificate.raw, ...ca.chain, ...ca.crossCertificates]
    return buildFullResponse({
      ...this.addressed(row),
      ...tell(row, told),
      // The order of a Microsoft CA: from the root down to the issued certificate.
      certificates: [...chain.toReversed(), ...(told.state === 'issued' ? [told.certificate] : [])],
      crls: told.state === 'issued' ? await this.crlsFor(row, ca) : [],
      signer: { certificate: ca.certificate, scheme: ca.signer.scheme, sign: data => ca.signer.sign(data) }
    })
  }

  /** The signed answer to a message that revoked, DER. Throws what the signer throws. */
  acknowledge(answer: RevocationAnswerRow, ca: IssuingCa): Promise<Uint8Array> {
    const { transactionId, senderNonce, dataReturn, bodyPartId } = answer
    return buildFullResponse({
      dialect: 'standard',
      status: 'success',
      statusString: 'Revoked',
      bodyPartId,
      ...(transactionId === null ? {} : { transactionId }),
      ...(senderNonce === null ? {} : { senderNonce, ownNonce: this.entropy.bytes(16) }),
      ...(dataReturn === null ? {} : { dataReturn }),
      certificates: [ca.certificate.raw, ...ca.chain].toReversed(),
      signer: { certificate: ca.certificate, scheme: ca.signer.scheme, sign: data => ca.signer.sign(data) }
    })
  }

  /** For a client that asked for CRLs (MS-WCCE 3.2.1.4.2.1, dwFlags X). */
  private async crlsFor({ flags }: RequestRow, ca: IssuingCa): Promise<readonly Uint8Array[]> {
    if ((flags & CR_IN.CR_IN_CRLS) === 0) return []
    const latest = await this.crls.findLatest(ca.id, ca.keyIndex)
    return latest === undefined ? [] : [latest.crl]
  }

  private addressed(
    row: RequestRow
  ): Pick<FullResponsePlan, 'dialect' | 'bodyPartId' | 'transactionId' | 'senderNonce' | 'ownNonce' | 'dataReturn'> {
    const dataReturn = row.rawRequest.length === 0 ? undefined : decodeStoredRequest(row.rawRequest).dataReturn
    return {
      dialect: row.dialect,
      bodyPartId: row.bodyPartId,
      ...(row.transactionId === null ? {} : { transactionId: row.transactionId }),
      ...(row.senderNonce === null ? {} : { senderNonce: row.senderNonce, ownNonce: this.entropy.bytes(16) }),
      ...(dataReturn === undefined ? {} : { dataReturn })
    }
  }
}

function tell(
  row: RequestRow,
  told: Told
): Pick<
  FullResponsePlan,
  'status' | 'statusString' | 'failInfo' | 'pendToken' | 'pendTime' | 'issuedCertificate' | 'keyHash'
> {
  switch (told.state) {
    case 'issued': {
      const keyHash =
        row.archival === true && row.keyHash !== null
          ? { keyHash: { algorithm: row.keyHashAlgorithm as DigestName, value: row.keyHash } }
          : {}
      return { status: 'success', statusString: 'Issued', issuedCertificate: told.certificate, ...keyHash }
    }
    case 'pending':
      return {
        status: 'pending',
        statusString: row.dispositionMessage,
        pendToken: Buffer.from(String(row.id)),
        pendTime: row.submittedAt
      }
    case 'denied':
    case 'failed': {
      const failInfo = row.failureCode === null ? 'internalCAError' : failInfoOf(row.failureCode as ErrorCode).name
      return { status: 'failed', statusString: row.dispositionMessage, failInfo }
    }
  }
}
