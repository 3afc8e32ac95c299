import java.io.Reader;
import java.io.Writer;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.HexFormat;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.cmc.*;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.crmf.CertificateRequestMessage;
import org.bouncycastle.cert.crmf.CertificateRequestMessageBuilder;
import org.bouncycastle.cert.crmf.PKIArchiveControl;
import org.bouncycastle.cert.crmf.jcajce.JcaCertificateRequestMessageBuilder;
import org.bouncycastle.cert.crmf.jcajce.JcaPKIArchiveControlBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/**
 * Makes a CMC request with an archived key in the standard dialect: a CRMF request (RFC 4211) whose control
 * pkiArchiveOptions holds the new private key as EncKeyWithID, enveloped for the exchange certificate; PKIData signed
 * by the new key, named by its key identifier.
 *
 * <p>Usage: MakeCrmfArchival EXCHANGE.pem SUBJECT OUT.der KEY_OUT.pem [TEMPLATE_OID]
 */
public final class MakeCrmfArchival {
  /** Microsoft: the certificate template, SEQUENCE { OBJECT IDENTIFIER, major OPTIONAL, minor OPTIONAL }. */
  private static final ASN1ObjectIdentifier TEMPLATE = new ASN1ObjectIdentifier("1.3.6.1.4.1.311.21.7");

  private static final int TRANSACTION_ID_PART = 1;
  private static final int SENDER_NONCE_PART = 2;
  private static final int REQUEST_PART = 3;

  private static final BouncyCastleProvider PROVIDER = new BouncyCastleProvider();

  private MakeCrmfArchival() {}

  public static void main(String[] args) throws Exception {
    if (args.length < 4 || args.length > 5) {
      throw new IllegalArgumentException(
          "Usage: MakeCrmfArchival EXCHANGE.pem SUBJECT OUT.der KEY_OUT.pem [TEMPLATE_OID]");
    }
    X509CertificateHolder exchange = readCertificate(Path.of(args[0]));
    X500Name subject = new X500Name(args[1]);
    SecureRandom random = new SecureRandom();
    KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA", PROVIDER);
    generator.initialize(2048, random);
    KeyPair pair = generator.generateKeyPair();
    ContentSigner signer = new JcaContentSignerBuilder("SHA256withRSA").setProvider(PROVIDER).build(pair.getPrivate());

    CertificateRequestMessage request =
        makeRequest(subject, pair, archive(pair, subject, exchange), args.length > 4 ? args[4] : null, signer);
    BigInteger transactionId = new BigInteger(127, random);
    byte[] nonce = new byte[16];
    random.nextBytes(nonce);
    PKIData data =
        new PKIData(
            new TaggedAttribute[] {
              control(TRANSACTION_ID_PART, CMCObjectIdentifiers.id_cmc_transactionId, new ASN1Integer(transactionId)),
              control(SENDER_NONCE_PART, CMCObjectIdentifiers.id_cmc_senderNonce, new DEROctetString(nonce))
            },
            new TaggedRequest[] {new TaggedRequest(request.toASN1Structure())},
            new TaggedContentInfo[0],
            new OtherMsg[0]);
    SubjectPublicKeyInfo publicKey = SubjectPublicKeyInfo.getInstance(pair.getPublic().getEncoded());
    byte[] keyId = digest("SHA-1", publicKey.getPublicKeyData().getBytes());

    Files.write(Path.of(args[2]), sign(data.getEncoded(ASN1Encoding.DER), signer, keyId));
    writeKey(pair, Path.of(args[3]));
    HexFormat hex = HexFormat.of();
    System.out.printf(
        "{\"transactionId\":\"%s\",\"nonce\":\"%s\",\"bodyPartId\":%d,\"publicKeySha256\":\"%s\",\"keyId\":\"%s\"}%n",
        transactionId,
        hex.formatHex(nonce),
        REQUEST_PART,
        hex.formatHex(digest("SHA-256", publicKey.getEncoded())),
        hex.formatHex(keyId));
  }

  /** The private key with the subject as its identifier: EncKeyWithID in EnvelopedData (RFC 4211, section 6.4). */
  private static PKIArchiveControl archive(KeyPair pair, X500Name subject, X509CertificateHolder exchange)
      throws Exception {
    return new JcaPKIArchiveControlBuilder(pair.getPrivate(), subject)
        .addRecipientGenerator(
            new JceKeyTransRecipientInfoGenerator(
                    new JcaX509CertificateConverter().setProvider(PROVIDER).getCertificate(exchange))
                .setProvider(PROVIDER))
        .build(new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_CBC).setProvider(PROVIDER).build());
  }

  private static CertificateRequestMessage makeRequest(
      X500Name subject, KeyPair pair, PKIArchiveControl archive, String template, ContentSigner signer)
      throws Exception {
    CertificateRequestMessageBuilder builder =
        new JcaCertificateRequestMessageBuilder(BigInteger.valueOf(REQUEST_PART))
            .setPublicKey(pair.getPublic())
            .setSubject(subject)
            .addControl(archive)
            .setProofOfPossessionSigningKeySigner(signer);
    if (template != null) {
      builder.addExtension(TEMPLATE, false, new DERSequence(new ASN1ObjectIdentifier(template)));
    }
    return builder.build();
  }

  private static TaggedAttribute control(int bodyPartId, ASN1ObjectIdentifier type, ASN1Encodable value) {
    return new TaggedAttribute(new BodyPartID(bodyPartId), type, new DERSet(value));
  }

  private static byte[] sign(byte[] content, ContentSigner signer, byte[] keyId) throws Exception {
    CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
    generator.addSignerInfoGenerator(
        new SignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().setProvider(PROVIDER).build())
            .build(signer, keyId));
    return generator
        .generate(new CMSProcessableByteArray(CMCObjectIdentifiers.id_cct_PKIData, content), true)
        .getEncoded(ASN1Encoding.DER);
  }

  private static void writeKey(KeyPair pair, Path file) throws Exception {
    try (Writer writer = Files.newBufferedWriter(file); JcaPEMWriter pem = new JcaPEMWriter(writer)) {
      pem.writeObject(new JcaPKCS8Generator(pair.getPrivate(), null));
    }
  }

  private static byte[] digest(String algorithm, byte[] data) throws Exception {
    return MessageDigest.getInstance(algorithm).digest(data);
  }

  private static X509CertificateHolder readCertificate(Path file) throws Exception {
    try (Reader reader = Files.newBufferedReader(file); PEMParser parser = new PEMParser(reader)) {
      if (parser.readObject() instanceof X509CertificateHolder certificate) {
        return certificate;
      }
      throw new IllegalArgumentException(file + " does not begin with a PEM certificate");
    }
  }
}
