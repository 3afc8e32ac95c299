import { createHash, X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { AppError } from '@app/core'

/**
 * Fetches the root certificate of a server that is not trusted yet, over a connection that is not verified, and
 * returns its PEM only when its SHA-256 fingerprint is the one given. Colons and case do not matter.
 * Throws `server_unreachable`, or `chain_invalid` when another root answers.
 */
export async function fetchTrustedRoot(url: string, fingerprint: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const chain = await presentedChain(hostname, Number(port || 443))
  const wanted = fingerprint.replace(/[^0-9a-fA-F]/g, '').toLowerCase()
  const root = chain.find(certificate => createHash('sha256').update(certificate.raw).digest('hex') === wanted)
  if (root === undefined) {
    throw new AppError(
      'chain_invalid',
      `${url} presents no certificate with the fingerprint ${fingerprint}. Compare it with what the server printed at its first start; somebody may stand between.`,
      { presented: chain.length }
    )
  }
  return root.toString()
}

/** Every certificate the server presents, the leaf first. The chain is not trusted by this. */
function presentedChain(host: string, port: number): Promise<X509Certificate[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false, servername: /^[\d.:]+$/.test(host) ? '' : host })
    const fail = (cause: unknown): void => {
      socket.destroy()
      const reason = cause instanceof Error ? cause.message : 'no answer within 10 seconds'
      reject(
        new AppError('server_unreachable', `No answer from ${host}:${port}: ${reason}.`, { host, port }, { cause })
      )
    }
    socket.setTimeout(10_000, () => fail(undefined))
    socket.on('error', fail)
    socket.on('secureConnect', () => {
      const chain: X509Certificate[] = []
      for (let next = socket.getPeerX509Certificate(); next !== undefined; next = next.issuerCertificate) {
        chain.push(next)
        if (chain.length > 8 || next.issuerCertificate?.fingerprint256 === next.fingerprint256) break
      }
      socket.end()
      resolve(chain)
    })
  })
}
