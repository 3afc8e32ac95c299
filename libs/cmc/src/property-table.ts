/** How a property's value is typed: L, S and B of the headers, and a date. */
export type PropertyType = 'long' | 'string' | 'binary' | 'date'

/** One property of a table: `indexed` properties exist once for each certificate, key or status. */
export interface PropertyEntry {
  readonly id: number
  readonly name: string
  readonly type: PropertyType
  readonly indexed: boolean
}

function entry(id: number, name: string, type: PropertyType, indexed = false): PropertyEntry {
  return { id, name, type, indexed }
}

/** Every property of a CA that GetCAProperty can be asked for (MS-WCCE 3.2.1.4.3.2; certcli.h, CR_PROP_*). */
export const CR_PROPERTIES: readonly PropertyEntry[] = [
  entry(1, 'CR_PROP_FILEVERSION', 'string'),
  entry(2, 'CR_PROP_PRODUCTVERSION', 'string'),
  entry(3, 'CR_PROP_EXITCOUNT', 'long'),
  entry(4, 'CR_PROP_EXITDESCRIPTION', 'string', true),
  entry(5, 'CR_PROP_POLICYDESCRIPTION', 'string'),
  entry(6, 'CR_PROP_CANAME', 'string'),
  entry(7, 'CR_PROP_SANITIZEDCANAME', 'string'),
  entry(8, 'CR_PROP_SHAREDFOLDER', 'string'),
  entry(9, 'CR_PROP_PARENTCA', 'string'),
  entry(10, 'CR_PROP_CATYPE', 'long'),
  entry(11, 'CR_PROP_CASIGCERTCOUNT', 'long'),
  entry(12, 'CR_PROP_CASIGCERT', 'binary', true),
  entry(13, 'CR_PROP_CASIGCERTCHAIN', 'binary', true),
  entry(14, 'CR_PROP_CAXCHGCERTCOUNT', 'long'),
  entry(15, 'CR_PROP_CAXCHGCERT', 'binary', true),
  entry(16, 'CR_PROP_CAXCHGCERTCHAIN', 'binary', true),
  entry(17, 'CR_PROP_BASECRL', 'binary', true),
  entry(18, 'CR_PROP_DELTACRL', 'binary', true),
  entry(19, 'CR_PROP_CACERTSTATE', 'long', true),
  entry(20, 'CR_PROP_CRLSTATE', 'long', true),
  entry(21, 'CR_PROP_CAPROPIDMAX', 'long'),
  entry(22, 'CR_PROP_DNSNAME', 'string'),
  entry(23, 'CR_PROP_ROLESEPARATIONENABLED', 'long'),
  entry(24, 'CR_PROP_KRACERTUSEDCOUNT', 'long'),
  entry(25, 'CR_PROP_KRACERTCOUNT', 'long'),
  entry(26, 'CR_PROP_KRACERT', 'binary', true),
  entry(27, 'CR_PROP_KRACERTSTATE', 'long', true),
  entry(28, 'CR_PROP_ADVANCEDSERVER', 'long'),
  entry(29, 'CR_PROP_TEMPLATES', 'string'),
  entry(30, 'CR_PROP_BASECRLPUBLISHSTATUS', 'long', true),
  entry(31, 'CR_PROP_DELTACRLPUBLISHSTATUS', 'long', true),
  entry(32, 'CR_PROP_CASIGCERTCRLCHAIN', 'binary', true),
  entry(33, 'CR_PROP_CAXCHGCERTCRLCHAIN', 'binary', true),
  entry(34, 'CR_PROP_CACERTSTATUSCODE', 'long', true),
  entry(35, 'CR_PROP_CAFORWARDCROSSCERT', 'binary', true),
  entry(36, 'CR_PROP_CABACKWARDCROSSCERT', 'binary', true),
  entry(37, 'CR_PROP_CAFORWARDCROSSCERTSTATE', 'long', true),
  entry(38, 'CR_PROP_CABACKWARDCROSSCERTSTATE', 'long', true),
  entry(39, 'CR_PROP_CACERTVERSION', 'long', true),
  entry(40, 'CR_PROP_SANITIZEDCASHORTNAME', 'string'),
  entry(41, 'CR_PROP_CERTCDPURLS', 'string', true),
  entry(42, 'CR_PROP_CERTAIAURLS', 'string', true),
  entry(43, 'CR_PROP_CERTAIAOCSPURLS', 'string', true),
  entry(44, 'CR_PROP_LOCALENAME', 'string'),
  entry(45, 'CR_PROP_SUBJECTTEMPLATE_OIDS', 'string'),
  entry(46, 'CR_PROP_CRLPARTITIONCOUNT', 'long'),
  entry(47, 'CR_PROP_PARTITIONED_BASECRL', 'binary', true),
  entry(48, 'CR_PROP_PARTITIONED_DELTACRL', 'binary', true),
  entry(49, 'CR_PROP_PARTITIONED_BASECRLPUBLISHSTATUS', 'long', true),
  entry(50, 'CR_PROP_PARTITIONED_DELTACRLPUBLISHSTATUS', 'long', true),
  entry(1000, 'CR_PROP_SCEPSERVERCERTS', 'binary'),
  entry(1001, 'CR_PROP_SCEPSERVERCAPABILITIES', 'string'),
  entry(1002, 'CR_PROP_SCEPSERVERCERTSCHAIN', 'binary')
]

/** Every property of a full response that GetFullResponseProperty can be asked for (certcli.h, FR_PROP_*). */
export const FR_PROPERTIES: readonly PropertyEntry[] = [
  entry(1, 'FR_PROP_FULLRESPONSE', 'binary'),
  entry(2, 'FR_PROP_STATUSINFOCOUNT', 'long'),
  entry(3, 'FR_PROP_BODYPARTSTRING', 'string', true),
  entry(4, 'FR_PROP_STATUS', 'long', true),
  entry(5, 'FR_PROP_STATUSSTRING', 'string', true),
  entry(6, 'FR_PROP_OTHERINFOCHOICE', 'long', true),
  entry(7, 'FR_PROP_FAILINFO', 'long', true),
  entry(8, 'FR_PROP_PENDINFOTOKEN', 'binary', true),
  entry(9, 'FR_PROP_PENDINFOTIME', 'date', true),
  entry(10, 'FR_PROP_ISSUEDCERTIFICATEHASH', 'binary', true),
  entry(11, 'FR_PROP_ISSUEDCERTIFICATE', 'binary', true),
  entry(12, 'FR_PROP_ISSUEDCERTIFICATECHAIN', 'binary', true),
  entry(13, 'FR_PROP_ISSUEDCERTIFICATECRLCHAIN', 'binary', true),
  entry(14, 'FR_PROP_ENCRYPTEDKEYHASH', 'binary', true),
  entry(15, 'FR_PROP_FULLRESPONSENOPKCS7', 'binary'),
  entry(16, 'FR_PROP_CAEXCHANGECERTIFICATEHASH', 'binary', true),
  entry(17, 'FR_PROP_CAEXCHANGECERTIFICATE', 'binary', true),
  entry(18, 'FR_PROP_CAEXCHANGECERTIFICATECHAIN', 'binary', true),
  entry(19, 'FR_PROP_CAEXCHANGECERTIFICATECRLCHAIN', 'binary', true),
  entry(20, 'FR_PROP_ATTESTATIONCHALLENGE', 'binary', true),
  entry(21, 'FR_PROP_ATTESTATIONPROVIDERNAME', 'string', true),
  entry(22, 'FR_PROP_CLAIMCHALLENGE', 'long')
]

/** The id of FR_PROP_FULLRESPONSE, the property every client reads. */
export const FR_PROP_FULLRESPONSE = 1

/** The entry for an id (number or decimal text) or a name (with or without its prefix, any case); else undefined. */
export function findProperty(table: readonly PropertyEntry[], idOrName: number | string): PropertyEntry | undefined {
  const text = String(idOrName).trim()
  if (/^\d{1,10}$/.test(text)) return table.find(({ id }) => id === Number(text))
  const wanted = text.toUpperCase()
  return table.find(({ name }) => name === wanted || name.replace(/^[A-Z]+_PROP_/, '') === wanted)
}
