import { randomBytes, randomUUID, type KeyObject } from 'node:crypto'
import { AppError, ERROR_CODES, isAppError, systemClock, type Entropy, type ErrorCode } from '@app/core'
import { verifyKeyObjectPair } from '@app/escrow'
import { decodeCertificate, type Certificate } from '@app/x509'
import type { Console } from './console/console.js'
import type { KeyImportOrder, KeyImportView } from './console/key-imports.js'
import { certificatesIn, getTrustedExchangeCertificate } from './exchange-certificate.js'
import { wrapPrivateKey } from './key-envelope.js'

/** A private key to put into the archive. */
export interface ArchivedKeyImport extends Omit<KeyImportOrder, 'certificate' | 'wrappedKey'> {
  readonly privateKey: KeyObject
  /** DER of the certificate that it belongs to. */
  readonly certificate: Uint8Array
}

/** How often a call whose answer was lost is made again; its id makes sure that it counts once. */
const ATTEMPTS = 3
const machineEntropy: Entropy = { bytes: length => randomBytes(length) }

/**
 * Puts keys into the archive of a server, each wrapped to the CA's exchange certificate as an enrollment wraps it. Safe for
 * many calls at a time; the exchange certificate of each CA is fetched and verified once.
 */
export class KeyImporter {
  private readonly exchange = new Map<string, Promise<Certificate>>()

  /** @param trust PEM of the roots that the exchange certificate must chain to */
  constructor(
    private readonly console: Console,
    private readonly trust: string
  ) {}

  /**
   * Imports one key. Throws `archived_key_mismatch` when it is not that of the certificate (then it has not left this
   * machine), `archived_key_exists` when one is archived already and may not be replaced, and whatever else the server
   * refuses it for; `unavailable` when it is taken in and not sealed yet.
   */
  async import({ privateKey, certificate, ...order }: ArchivedKeyImport): Promise<KeyImportView> {
    await verifyKeyObjectPair(privateKey, decodeCertificate(certificate).publicKey)
    const wrapping = { exchangeCertificate: await this.exchangeOf(order.ca), entropy: machineEntropy }
    const wrappedKey = Buffer.from(wrapPrivateKey(privateKey, 'microsoft', wrapping)).toString('base64')
    const id = order.id ?? randomUUID()
    const view = await this.add({
      ...order,
      id,
      certificate: Buffer.from(certificate).toString('base64'),
      wrappedKey
    })
    if (view.state === 'sealed') return view
    const { code = 'unavailable', message = 'The key is taken in and not sealed yet; look again later.' } = view
    throw new AppError(isCode(code) ? code : 'conflict', message, {
      import: id,
      ...(view.requestId === undefined ? {} : { requestId: view.requestId })
    })
  }

  private async add(order: KeyImportOrder): Promise<KeyImportView> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.console.keyImports.add(order)
      } catch (error) {
        if (attempt === ATTEMPTS || !isAppError(error, 'server_unreachable')) throw error
      }
    }
  }

  private exchangeOf(ca: string): Promise<Certificate> {
    const known = this.exchange.get(ca)
    if (known !== undefined) return known
    const fetched = this.fetchExchange(ca)
    this.exchange.set(ca, fetched)
    fetched.catch(() => this.exchange.delete(ca))
    return fetched
  }

  private async fetchExchange(ca: string): Promise<Certificate> {
    const certificates = certificatesIn(await this.console.keyImports.exchangeCertificate(ca))
    return getTrustedExchangeCertificate(certificates, this.trust, systemClock.now())
  }
}

/** Imports one key; see {@link KeyImporter.import}. */
export function importArchivedKey(console: Console, trust: string, key: ArchivedKeyImport): Promise<KeyImportView> {
  return new KeyImporter(console, trust).import(key)
}

function isCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text)
}
