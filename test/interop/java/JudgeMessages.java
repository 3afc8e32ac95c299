import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import org.bouncycastle.asn1.cmc.CMCObjectIdentifiers;
import org.bouncycastle.asn1.cmc.PKIData;
import org.bouncycastle.asn1.cmc.PKIResponse;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.util.Selector;

/**
 * Says in JSON of each signed message whether Bouncy Castle accepts it: every signature verifies with the certificate in
 * the message that its signer names, and PKIData and PKIResponse can be read.
 *
 * <p>Usage: JudgeMessages MESSAGE.der…
 */
public final class JudgeMessages {
  private static final BouncyCastleProvider PROVIDER = new BouncyCastleProvider();

  private JudgeMessages() {}

  public static void main(String[] args) throws Exception {
    List<String> verdicts = new ArrayList<>();
    for (String file : args) {
      verdicts.add(String.valueOf(accepts(Files.readAllBytes(Path.of(file)))));
    }
    System.out.println(verdicts);
  }

  @SuppressWarnings("unchecked")
  private static boolean accepts(byte[] message) {
    try {
      CMSSignedData signed = new CMSSignedData(message);
      for (SignerInformation signer : signed.getSignerInfos()) {
        Selector<X509CertificateHolder> named = signer.getSID();
        Collection<X509CertificateHolder> found = signed.getCertificates().getMatches(named);
        JcaSimpleSignerInfoVerifierBuilder verifier = new JcaSimpleSignerInfoVerifierBuilder().setProvider(PROVIDER);
        if (found.isEmpty() || !signer.verify(verifier.build(found.iterator().next()))) {
          return false;
        }
      }
      byte[] content = (byte[]) signed.getSignedContent().getContent();
      String type = signed.getSignedContentTypeOID();
      if (type.equals(CMCObjectIdentifiers.id_cct_PKIData.getId())) {
        return PKIData.getInstance(content).getReqSequence().length > 0;
      }
      return !type.equals(CMCObjectIdentifiers.id_cct_PKIResponse.getId())
          || PKIResponse.getInstance(content).getControlSequence().size() > 0;
    } catch (Exception refused) {
      return false;
    }
  }
}
