import { createPrivateKey, createPublicKey, publicEncrypt, constants, verify, randomBytes } from 'node:crypto'
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError, isAppError, view } from '@app/core'
import { afterEach, describe, expect, it } from 'vitest'
import {
  createFileKeyStore,
  generateKeyPairOf,
  KEY_SPECS,
  type KeyFiles,
  type KeySpec,
  type KeyStore
} from './index.js'

/** A store to put through the contract: `reopen` gives what another process would see. */
interface StoreUnderTest {
  readonly reopen: () => KeyStore
  readonly close: () => Promise<void>
}

const PASSPHRASE = 'correct horse battery staple'
const TEST_COST = 2 ** 14

/** KeyFiles over a real directory; the write refuses to replace a file, as the contract asks. */
function filesIn(directory: string): KeyFiles {
  return {
    read: name =>
      readFile(join(directory, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      }),
    async write(name, bytes) {
      const file = await open(join(directory, name), 'wx', 0o600).catch((cause: unknown) => {
        throw new AppError('file_exists', `${name} exists.`, { name }, { cause })
      })
      await file.writeFile(bytes)
      await file.sync()
      await file.close()
    },
    remove: name => rm(join(directory, name), { force: true })
  }
}

function storeIn(directory: string, passphrase: () => Uint8Array): KeyStore {
  return createFileKeyStore({ files: filesIn(directory), passphrase, cost: TEST_COST })
}

const directories: string[] = []

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'keys-'))
  directories.push(directory)
  return directory
}

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true })
})

async function storedKey(): Promise<{ directory: string; reference: string; path: string }> {
  const directory = await temporaryDirectory()
  const { reference } = await storeIn(directory, () => Buffer.from(PASSPHRASE)).generate('p-256', 'ca')
  return { directory, reference, path: join(directory, reference) }
}

/** Every driver has a row here and passes the same suite. */
const DRIVERS: readonly { readonly name: string; readonly create: () => Promise<StoreUnderTest> }[] = [
  {
    name: 'files',
    create: async () => {
      const directory = await temporaryDirectory()
      const reopen = (): KeyStore =>
        createFileKeyStore({ files: filesIn(directory), passphrase: () => Buffer.from(PASSPHRASE), cost: TEST_COST })
      return { reopen, close: () => rm(directory, { recursive: true, force: true }) }
    }
  }
]

const MESSAGE = Buffer.from('what is signed')
const DIGESTS: Readonly<Partial<Record<KeySpec, string | null>>> = {
  'p-384': 'sha384',
  'p-521': 'sha512',
  ed25519: null
}

describe.each(DRIVERS)('the key store contract, kept by $name', ({ create }) => {
  it.each(KEY_SPECS.filter(spec => spec !== 'rsa-3072' && spec !== 'rsa-4096'))(
    'gives a %s key that signs in another process under the public half that was returned',
    async spec => {
      const store = await create()
      const { reference, publicKey } = await store.reopen().generate(spec, 'ca')
      const signer = await store.reopen().signer(reference)
      const signature = await signer.sign(MESSAGE)
      expect(signer.publicKey.raw).toEqual(publicKey.raw)
      expect(
        verify(DIGESTS[spec] === undefined ? 'sha256' : DIGESTS[spec], MESSAGE, publicKey.keyObject, signature)
      ).toBe(true)
      await store.close()
    }
  )

  it('unwraps what was wrapped to an RSA key, by either transport', async () => {
    const store = await create()
    const { reference, publicKey } = await store.reopen().generate('rsa-2048', 'exchange')
    const decrypter = await store.reopen().decrypter(reference)
    const secret = randomBytes(32)
    const pkcs1 = publicEncrypt({ key: publicKey.keyObject, padding: constants.RSA_PKCS1_PADDING }, secret)
    const oaep = publicEncrypt(
      { key: publicKey.keyObject, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha384' },
      secret
    )
    expect(view(await decrypter.unwrap(pkcs1, { scheme: 'rsaes-pkcs1-v1_5' }))).toEqual(secret)
    expect(view(await decrypter.unwrap(oaep, { scheme: 'rsaes-oaep', digest: 'sha384' }))).toEqual(secret)
    await store.close()
  })

  it('takes an existing key and gives it its own reference each time', async () => {
    const store = await create()
    const { privateKey, publicKey } = await generateKeyPairOf('p-256')
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
    const keys = store.reopen()
    const [first, second] = [await keys.import(pkcs8, 'ca'), await keys.import(pkcs8, 'ca')]
    expect(first.publicKey.raw).toEqual(publicKey.raw)
    expect(first.reference).not.toBe(second.reference)
    await keys.destroy(first.reference)
    expect((await keys.signer(second.reference)).publicKey.raw).toEqual(publicKey.raw)
    await store.close()
  })

  it('forgets a destroyed key, and destroying it again succeeds', async () => {
    const store = await create()
    const keys = store.reopen()
    const { reference } = await keys.generate('ed25519', 'responder')
    await keys.destroy(reference)
    await keys.destroy(reference)
    await expect(keys.signer(reference)).rejects.toSatisfy(error => isAppError(error, 'not_found'))
    await store.close()
  })

  it('serves many callers at once', async () => {
    const store = await create()
    const keys = store.reopen()
    const { reference, publicKey } = await keys.generate('p-256', 'ca')
    const signers = await Promise.all(Array.from({ length: 8 }, () => keys.signer(reference)))
    const signatures = await Promise.all(signers.flatMap(signer => [signer.sign(MESSAGE), signer.sign(MESSAGE)]))
    expect(signatures.every(signature => verify('sha256', MESSAGE, publicKey.keyObject, signature))).toBe(true)
    await store.close()
  })

  it.each(['', '-ca', 'CA', '../ca', 'a/b', 'x'.repeat(65)])('refuses the label "%s"', async label => {
    const store = await create()
    await expect(store.reopen().generate('ed25519', label)).rejects.toSatisfy(error =>
      isAppError(error, 'invalid_argument')
    )
    await store.close()
  })

  it('refuses to decrypt with a key that cannot, and to sign with a scheme of another kind of key', async () => {
    const store = await create()
    const keys = store.reopen()
    const { reference } = await keys.generate('p-256', 'ca')
    await expect(keys.decrypter(reference)).rejects.toSatisfy(error => isAppError(error, 'invalid_argument'))
    await expect(keys.signer(reference, 'rsa-sha256')).rejects.toSatisfy(error => isAppError(error, 'invalid_argument'))
    await store.close()
  })
})

describe('the file key store', () => {
  it('is locked under a wrong or empty passphrase and opens once the right one is given', async () => {
    const { directory, reference } = await storedKey()
    const answers = ['wrong', '', PASSPHRASE]
    const store = storeIn(directory, () => Buffer.from(answers.shift() ?? 'asked too often'))
    await expect(store.signer(reference)).rejects.toSatisfy(error => isAppError(error, 'key_store_locked'))
    await expect(store.signer(reference)).rejects.toSatisfy(error => isAppError(error, 'key_store_locked'))
    expect((await store.signer(reference)).scheme).toBe('ecdsa-sha256')
    expect((await store.signer(reference)).scheme).toBe('ecdsa-sha256')
  })

  it('asks for the passphrase once for all keys that one process made, and wipes what it was given', async () => {
    const directory = await temporaryDirectory()
    const given: Buffer[] = []
    const ask = (): Uint8Array => {
      const passphrase = Buffer.from(PASSPHRASE)
      given.push(passphrase)
      return passphrase
    }
    const first = storeIn(directory, ask)
    const references = [
      (await first.generate('p-256', 'a')).reference,
      (await first.generate('ed25519', 'b')).reference
    ]
    const second = storeIn(directory, ask)
    await Promise.all(references.map(reference => second.signer(reference)))
    references.push((await second.generate('p-256', 'c')).reference)
    const third = storeIn(directory, ask)
    await Promise.all(references.map(reference => third.signer(reference)))
    expect(given).toHaveLength(3)
    expect(given.every(passphrase => passphrase.every(byte => byte === 0))).toBe(true)
  })

  it('says that a file is damaged whichever byte was changed, never what is in it, and uses no damaged key', async () => {
    const { directory, reference, path } = await storedKey()
    const intact = await readFile(path)
    const store = storeIn(directory, () => Buffer.from(PASSPHRASE))
    for (let position = 0; position < intact.length; position += 7) {
      const changed = Buffer.from(intact)
      changed[position] = (changed[position] as number) ^ 0x01
      await writeFile(path, changed)
      // A changed salt, cost or check is a wrong passphrase for all that anyone can tell.
      await expect(store.signer(reference)).rejects.toSatisfy(
        error => isAppError(error, 'key_store_invalid') || isAppError(error, 'key_store_locked')
      )
    }
    await writeFile(path, intact.subarray(0, -1))
    await expect(store.signer(reference)).rejects.toSatisfy(error => isAppError(error, 'key_store_invalid'))
    await writeFile(path, Buffer.concat([intact, Buffer.of(0)]))
    await expect(store.signer(reference)).rejects.toSatisfy(error => isAppError(error, 'key_store_invalid'))
    await writeFile(path, intact)
    await expect(store.signer(reference)).resolves.toBeDefined()
  })

  it('keeps neither the key nor the passphrase readable in the file, which only its owner may read', async () => {
    const directory = await temporaryDirectory()
    const { privateKey } = await generateKeyPairOf('p-256')
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
    const store = storeIn(directory, () => Buffer.from(PASSPHRASE))
    const { reference } = await store.import(pkcs8, 'ca')
    const bytes = await readFile(join(directory, reference))
    const scalar = Buffer.from(String(privateKey.export({ format: 'jwk' })['d']), 'base64url')
    expect(bytes.includes(scalar)).toBe(false)
    expect(bytes.includes(PASSPHRASE)).toBe(false)
    expect((await stat(join(directory, reference))).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual([reference])
  })

  it.each(['../../etc/passwd', 'ca.key', 'ca-0123456789abcdef.key/x', ''])(
    'refuses the reference "%s" before it touches a file',
    async reference => {
      const store = storeIn(await temporaryDirectory(), () => Buffer.from(PASSPHRASE))
      await expect(store.signer(reference)).rejects.toSatisfy(error => isAppError(error, 'invalid_argument'))
      await expect(store.destroy(reference)).rejects.toSatisfy(error => isAppError(error, 'invalid_argument'))
    }
  )

  it('refuses to import what is no unencrypted PKCS#8 key, and a kind of key that nothing here uses', async () => {
    const store = storeIn(await temporaryDirectory(), () => Buffer.from(PASSPHRASE))
    await expect(store.import(Buffer.from('3003020100', 'hex'), 'ca')).rejects.toSatisfy(error =>
      isAppError(error, 'invalid_argument')
    )
    const x25519 = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), randomBytes(32)])
    expect(createPublicKey(createPrivateKey({ key: x25519, format: 'der', type: 'pkcs8' })).asymmetricKeyType).toBe(
      'x25519'
    )
    await expect(store.import(x25519, 'ca')).rejects.toSatisfy(error => isAppError(error, 'public_key_unsupported'))
  })

  it.each([2 ** 13, 2 ** 21, 100_000, 0])('refuses %d as the cost of stretching', async cost => {
    const files = filesIn(await temporaryDirectory())
    expect(() => createFileKeyStore({ files, passphrase: () => Buffer.from(PASSPHRASE), cost })).toThrow(AppError)
  })
})
