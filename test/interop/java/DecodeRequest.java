import static java.util.stream.Collectors.joining;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.util.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.cmc.*;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.cms.EnvelopedData;
import org.bouncycastle.asn1.crmf.*;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.*;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.crmf.CertificateRequestMessage;
import org.bouncycastle.cert.crmf.PKIArchiveControl;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.ContentVerifierProvider;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;

/**
 * Reads a CMC request (PKIData in SignedData) with Bouncy Castle and says in JSON what it holds: the controls, the
 * one PKCS#10 or CRMF request with its own signature checked, every CMS signature checked, and the archived key.
 *
 * <p>Usage: DecodeRequest REQUEST.der
 */
public final class DecodeRequest {
  private static final ASN1ObjectIdentifier ADD_ATTRIBUTES = new ASN1ObjectIdentifier("1.3.6.1.4.1.311.10.10.1");
  private static final ASN1ObjectIdentifier TEMPLATE = new ASN1ObjectIdentifier("1.3.6.1.4.1.311.21.7");
  private static final ASN1ObjectIdentifier ARCHIVED_KEY = new ASN1ObjectIdentifier("1.3.6.1.4.1.311.21.13");
  private static final ASN1ObjectIdentifier ENCRYPTED_KEY_HASH = new ASN1ObjectIdentifier("1.3.6.1.4.1.311.21.21");

  private static final BouncyCastleProvider PROVIDER = new BouncyCastleProvider();

  private DecodeRequest() {}

  /** What the two forms of request have in common. The archive is null unless the form itself carries a key. */
  private record Request(
      String form,
      long bodyPartId,
      X500Name subject,
      SubjectPublicKeyInfo publicKey,
      Extensions extensions,
      boolean signatureVerified,
      CMSEnvelopedData archive) {}

  public static void main(String[] args) throws Exception {
    if (args.length != 1) {
      throw new IllegalArgumentException("Usage: DecodeRequest REQUEST.der");
    }
    byte[] message = Files.readAllBytes(Path.of(args[0]));
    // fromByteArray, unlike the constructor over bytes, refuses anything after the message.
    ASN1Primitive parsed = ASN1Primitive.fromByteArray(message);
    CMSSignedData signed = new CMSSignedData(ContentInfo.getInstance(parsed));
    if (!signed.getSignedContentTypeOID().equals(CMCObjectIdentifiers.id_cct_PKIData.getId())) {
      throw new IllegalArgumentException("The content is " + signed.getSignedContentTypeOID() + ", not PKIData");
    }
    PKIData data = PKIData.getInstance((byte[]) signed.getSignedContent().getContent());
    if (data.getReqSequence().length != 1) {
      throw new IllegalArgumentException("There are " + data.getReqSequence().length + " requests, not one");
    }
    Request request = readRequest(data.getReqSequence()[0]);

    Map<String, Object> report = new LinkedHashMap<>();
    report.put("contentType", signed.getSignedContentTypeOID());
    report.put("der", Arrays.equals(message, parsed.getEncoded(ASN1Encoding.DER)));
    reportControls(data.getControlSequence(), report);
    report.put("request", describe(request));
    report.put("signers", describeSigners(signed, request));
    report.put("archivedKey", describeArchive(signed, request, (String) report.get("encryptedKeyHash")));
    System.out.println(json(report));
  }

  private static Request readRequest(TaggedRequest tagged) throws Exception {
    if (tagged.getTagNo() == TaggedRequest.TCR) {
      return readPkcs10(TaggedCertificationRequest.getInstance(tagged.getValue()));
    }
    if (tagged.getTagNo() == TaggedRequest.CRM) {
      return readCrmf(CertReqMsg.getInstance(tagged.getValue()));
    }
    throw new IllegalArgumentException("The request is neither PKCS#10 nor CRMF but form " + tagged.getTagNo());
  }

  private static Request readPkcs10(TaggedCertificationRequest tagged) throws Exception {
    // TaggedCertificationRequest keeps its two parts to itself: SEQUENCE { bodyPartID, CertificationRequest }.
    ASN1Sequence parts = ASN1Sequence.getInstance(tagged.toASN1Primitive());
    PKCS10CertificationRequest request =
        new PKCS10CertificationRequest(parts.getObjectAt(1).toASN1Primitive().getEncoded());
    return new Request(
        "pkcs10",
        BodyPartID.getInstance(parts.getObjectAt(0)).getID(),
        request.getSubject(),
        request.getSubjectPublicKeyInfo(),
        request.getRequestedExtensions(),
        request.isSignatureValid(verifierFor(request.getSubjectPublicKeyInfo())),
        null);
  }

  private static Request readCrmf(CertReqMsg structure) throws Exception {
    CertificateRequestMessage message = new CertificateRequestMessage(structure);
    SubjectPublicKeyInfo publicKey = message.getCertTemplate().getPublicKey();
    boolean hasSignature = message.getProofOfPossessionType() == CertificateRequestMessage.popSigningKey;
    CMSEnvelopedData archive = null;
    if (message.getControl(CRMFObjectIdentifiers.id_regCtrl_pkiArchiveOptions) instanceof PKIArchiveControl control) {
      archive = control.getEnvelopedData();
    }
    return new Request(
        "crmf",
        structure.getCertReq().getCertReqId().longValueExact(),
        message.getCertTemplate().getSubject(),
        publicKey,
        message.getCertTemplate().getExtensions(),
        hasSignature && message.isValidSigningKeyPOP(verifierFor(publicKey)),
        archive);
  }

  private static void reportControls(TaggedAttribute[] controls, Map<String, Object> report) {
    report.put("controls", Arrays.stream(controls).map(control -> control.getAttrType().getId()).toList());
    for (String name : List.of("transactionId", "senderNonce", "registrationInfo", "encryptedKeyHash")) {
      report.put(name, null);
    }
    for (TaggedAttribute control : controls) {
      ASN1ObjectIdentifier type = control.getAttrType();
      ASN1Encodable value = sole(control.getAttrValues(), type);
      if (type.equals(CMCObjectIdentifiers.id_cmc_transactionId)) {
        report.put("transactionId", ASN1Integer.getInstance(value).getValue().toString());
      } else if (type.equals(CMCObjectIdentifiers.id_cmc_senderNonce)) {
        report.put("senderNonce", HexFormat.of().formatHex(octetsOf(value)));
      } else if (type.equals(CMCObjectIdentifiers.id_cmc_regInfo)) {
        report.put("registrationInfo", new String(octetsOf(value), StandardCharsets.UTF_8));
      } else if (type.equals(ADD_ATTRIBUTES)) {
        reportAddedAttributes(ASN1Sequence.getInstance(value), report);
      }
    }
  }

  /** SEQUENCE { pkiDataReference INTEGER, certReferences SEQUENCE OF INTEGER, attributes SET OF Attribute }. */
  private static void reportAddedAttributes(ASN1Sequence added, Map<String, Object> report) {
    for (ASN1Encodable element : ASN1Set.getInstance(added.getObjectAt(2))) {
      Attribute attribute = Attribute.getInstance(element);
      if (attribute.getAttrType().equals(ENCRYPTED_KEY_HASH)) {
        ASN1Encodable value = sole(attribute.getAttrValues(), attribute.getAttrType());
        report.put("encryptedKeyHash", HexFormat.of().formatHex(octetsOf(value)));
      }
    }
  }

  private static Map<String, Object> describe(Request request) throws Exception {
    Extension template = request.extensions() == null ? null : request.extensions().getExtension(TEMPLATE);
    Map<String, Object> description = new LinkedHashMap<>();
    description.put("form", request.form());
    description.put("bodyPartId", request.bodyPartId());
    description.put("subject", request.subject() == null ? null : request.subject().toString());
    description.put("publicKeyAlgorithm", request.publicKey().getAlgorithm().getAlgorithm().getId());
    description.put("publicKeySha256", digest("SHA-256", request.publicKey().getEncoded()));
    description.put("keyId", keyIdOf(request.publicKey()));
    description.put("signatureVerified", request.signatureVerified());
    description.put("extensions", request.extensions() == null ? List.of() : idsOf(request.extensions()));
    description.put(
        "template",
        template == null ? null : ASN1Sequence.getInstance(template.getParsedValue()).getObjectAt(0).toString());
    return description;
  }

  private static List<String> idsOf(Extensions extensions) {
    return Arrays.stream(extensions.getExtensionOIDs()).map(ASN1ObjectIdentifier::getId).toList();
  }

  /** A signer is a certificate of the message, or the key of the request itself by its key identifier. */
  private static List<Object> describeSigners(CMSSignedData signed, Request request) throws Exception {
    List<Object> descriptions = new ArrayList<>();
    for (SignerInformation signer : signed.getSignerInfos().getSigners()) {
      SignerId sid = signer.getSID();
      @SuppressWarnings("unchecked")
      Collection<X509CertificateHolder> found = signed.getCertificates().getMatches(sid);
      byte[] sidKeyId = sid.getSubjectKeyIdentifier();
      String keyId = sidKeyId == null ? null : HexFormat.of().formatHex(sidKeyId);
      SubjectPublicKeyInfo key = null;
      if (found.size() == 1) {
        key = found.iterator().next().getSubjectPublicKeyInfo();
      } else if (keyIdOf(request.publicKey()).equals(keyId)) {
        key = request.publicKey();
      }
      Map<String, Object> description = new LinkedHashMap<>();
      description.put("keyFrom", key == null ? "unknown" : found.size() == 1 ? "certificate" : "request");
      description.put("keyId", keyId);
      description.put("digestAlgorithm", signer.getDigestAlgOID());
      description.put("signatureAlgorithm", signer.getEncryptionAlgOID());
      description.put("verified", key != null && verifies(signer, publicKeyOf(key)));
      descriptions.add(description);
    }
    return descriptions;
  }

  private static boolean verifies(SignerInformation signer, PublicKey key) throws Exception {
    try {
      return signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider(PROVIDER).build(key));
    } catch (CMSException refused) {
      return false;
    }
  }

  /** The key in the unsigned attribute of the only signer (Microsoft), or in the control of a CRMF request. */
  private static Map<String, Object> describeArchive(CMSSignedData signed, Request request, String signedHash)
      throws Exception {
    if (request.archive() != null) {
      byte[] encoded = request.archive().toASN1Structure().getEncoded(ASN1Encoding.DER);
      return describeEnvelope("crmf-control", request.archive(), encoded, signedHash);
    }
    for (SignerInformation signer : signed.getSignerInfos().getSigners()) {
      Attribute attribute =
          signer.getUnsignedAttributes() == null ? null : signer.getUnsignedAttributes().get(ARCHIVED_KEY);
      if (attribute != null) {
        byte[] received = sole(attribute.getAttrValues(), ARCHIVED_KEY).toASN1Primitive().getEncoded();
        return describeEnvelope("unsigned-attribute", new CMSEnvelopedData(received), received, signedHash);
      }
    }
    return null;
  }

  private static Map<String, Object> describeEnvelope(
      String placement, CMSEnvelopedData envelope, byte[] encoded, String signedHash) throws Exception {
    EnvelopedData structure = EnvelopedData.getInstance(envelope.toASN1Structure().getContent());
    List<Object> recipients = new ArrayList<>();
    for (RecipientInformation recipient : envelope.getRecipientInfos().getRecipients()) {
      KeyTransRecipientId id = (KeyTransRecipientId) recipient.getRID();
      Map<String, Object> description = new LinkedHashMap<>();
      description.put("issuer", id.getIssuer() == null ? null : id.getIssuer().toString());
      description.put("serialNumber", id.getSerialNumber() == null ? null : id.getSerialNumber().toString(16));
      description.put("keyTransport", recipient.getKeyEncryptionAlgOID());
      recipients.add(description);
    }
    Map<String, Object> description = new LinkedHashMap<>();
    description.put("placement", placement);
    description.put("version", structure.getVersion().intValueExact());
    description.put("recipients", recipients);
    description.put("contentType", structure.getEncryptedContentInfo().getContentType().getId());
    description.put("contentEncryption", envelope.getEncryptionAlgOID());
    description.put("hashMatches", signedHash == null ? null : signedHash.equals(hashLike(signedHash, encoded)));
    description.put("envelope", Base64.getEncoder().encodeToString(encoded));
    return description;
  }

  /** The digest of the data by the algorithm that the length of the given one tells. */
  private static String hashLike(String hash, byte[] data) throws Exception {
    String algorithm = Map.of(40, "SHA-1", 64, "SHA-256", 96, "SHA-384", 128, "SHA-512").get(hash.length());
    return algorithm == null ? "" : digest(algorithm, data);
  }

  private static String keyIdOf(SubjectPublicKeyInfo key) throws Exception {
    return digest("SHA-1", key.getPublicKeyData().getBytes());
  }

  private static PublicKey publicKeyOf(SubjectPublicKeyInfo key) throws Exception {
    return new JcaPEMKeyConverter().setProvider(PROVIDER).getPublicKey(key);
  }

  private static ContentVerifierProvider verifierFor(SubjectPublicKeyInfo key) throws Exception {
    return new JcaContentVerifierProviderBuilder().setProvider(PROVIDER).build(key);
  }

  private static String digest(String algorithm, byte[] data) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(data));
  }

  private static byte[] octetsOf(ASN1Encodable value) {
    return ASN1OctetString.getInstance(value).getOctets();
  }

  private static ASN1Encodable sole(ASN1Set values, ASN1ObjectIdentifier type) {
    if (values.size() != 1) {
      throw new IllegalArgumentException(type + " has " + values.size() + " values, not one");
    }
    return values.getObjectAt(0);
  }

  private static String json(Object value) {
    if (value instanceof Map<?, ?> map) {
      return map.entrySet().stream()
          .map(entry -> json(entry.getKey()) + ":" + json(entry.getValue()))
          .collect(joining(",", "{", "}"));
    }
    if (value instanceof Collection<?> list) {
      return list.stream().map(DecodeRequest::json).collect(joining(",", "[", "]"));
    }
    if (value == null || value instanceof Number || value instanceof Boolean) {
      return String.valueOf(value);
    }
    return value.toString().chars()
        .mapToObj(c -> c < ' ' || c == '"' || c == '\\' || c > '~' ? String.format("\\u%04x", c) : "" + (char) c)
        .collect(joining("", "\"", "\""));
  }
}
