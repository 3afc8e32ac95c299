import java.io.Reader;
import java.math.BigInteger;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.util.HexFormat;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.cmc.*;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;

/**
 * Makes a CMC request on behalf of another account: PKIData with a PKCS#10 and the account's name in the registration
 * information, signed by the new key, named by its key identifier, and by the enrollment agent, named by issuer and
 * serial number.
 *
 * <p>Usage: MakeOnBehalf AGENT.pem AGENT_KEY.pem ACCOUNT TEMPLATE OUT.der
 */
public final class MakeOnBehalf {
  /** Microsoft: the name of the certificate template, a BMPString. */
  private static final ASN1ObjectIdentifier TEMPLATE = new ASN1ObjectIdentifier("1.3.6.1.4.1.311.20.2");

  private static final int REQUEST_PART = 1;
  private static final int REGISTRATION_PART = 2;
  private static final int TRANSACTION_PART = 3;

  private static final BouncyCastleProvider PROVIDER = new BouncyCastleProvider();

  private MakeOnBehalf() {}

  public static void main(String[] args) throws Exception {
    if (args.length != 5) {
      throw new IllegalArgumentException("Usage: MakeOnBehalf AGENT.pem AGENT_KEY.pem ACCOUNT TEMPLATE OUT.der");
    }
    X509CertificateHolder agent = (X509CertificateHolder) readPem(Path.of(args[0]));
    PrivateKey agentKey = new JcaPEMKeyConverter().getPrivateKey((PrivateKeyInfo) readPem(Path.of(args[1])));
    KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA", PROVIDER);
    generator.initialize(2048, new SecureRandom());
    KeyPair pair = generator.generateKeyPair();
    ContentSigner own = signer("SHA256withRSA", pair.getPrivate());

    PKCS10CertificationRequest request =
        new JcaPKCS10CertificationRequestBuilder(new X500Name("CN=Whoever"), pair.getPublic())
            .addAttribute(
                PKCSObjectIdentifiers.pkcs_9_at_extensionRequest,
                new Extensions(new Extension(TEMPLATE, false, new DERBMPString(args[3]).getEncoded())))
            .build(own);
    String account = "RequesterName=" + URLEncoder.encode(args[2], StandardCharsets.UTF_8) + "&";
    PKIData data =
        new PKIData(
            new TaggedAttribute[] {
              control(
                  REGISTRATION_PART,
                  CMCObjectIdentifiers.id_cmc_regInfo,
                  new DEROctetString(account.getBytes(StandardCharsets.UTF_8))),
              control(
                  TRANSACTION_PART,
                  CMCObjectIdentifiers.id_cmc_transactionId,
                  new ASN1Integer(new BigInteger(127, new SecureRandom())))
            },
            new TaggedRequest[] {
              new TaggedRequest(
                  new TaggedCertificationRequest(
                      new BodyPartID(REQUEST_PART),
                      org.bouncycastle.asn1.cmc.CertificationRequest.getInstance(request.getEncoded())))
            },
            new TaggedContentInfo[0],
            new OtherMsg[0]);

    SubjectPublicKeyInfo publicKey = SubjectPublicKeyInfo.getInstance(pair.getPublic().getEncoded());
    byte[] keyId = MessageDigest.getInstance("SHA-1").digest(publicKey.getPublicKeyData().getBytes());
    DigestCalculatorProvider digests = new JcaDigestCalculatorProviderBuilder().setProvider(PROVIDER).build();
    CMSSignedDataGenerator message = new CMSSignedDataGenerator();
    message.addSignerInfoGenerator(new SignerInfoGeneratorBuilder(digests).build(own, keyId));
    String algorithm = agentKey.getAlgorithm().startsWith("EC") ? "SHA256withECDSA" : "SHA256withRSA";
    message.addSignerInfoGenerator(new SignerInfoGeneratorBuilder(digests).build(signer(algorithm, agentKey), agent));
    message.addCertificate(agent);
    byte[] content = data.getEncoded(ASN1Encoding.DER);
    Files.write(
        Path.of(args[4]),
        message
            .generate(new CMSProcessableByteArray(CMCObjectIdentifiers.id_cct_PKIData, content), true)
            .getEncoded(ASN1Encoding.DER));
    System.out.printf(
        "{\"publicKeySha256\":\"%s\"}%n",
        HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(publicKey.getEncoded())));
  }

  private static ContentSigner signer(String algorithm, PrivateKey key) throws Exception {
    return new JcaContentSignerBuilder(algorithm).setProvider(PROVIDER).build(key);
  }

  private static TaggedAttribute control(int bodyPartId, ASN1ObjectIdentifier type, ASN1Encodable value) {
    return new TaggedAttribute(new BodyPartID(bodyPartId), type, new DERSet(value));
  }

  private static Object readPem(Path file) throws Exception {
    try (Reader reader = Files.newBufferedReader(file); PEMParser parser = new PEMParser(reader)) {
      return parser.readObject();
    }
  }
}
