using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.Cms;
using Org.BouncyCastle.Asn1.Ess;
using Org.BouncyCastle.Asn1.Pkcs;
using Org.BouncyCastle.Cms;
using BouncyCertificate = Org.BouncyCastle.X509.X509Certificate;

namespace Natalia.Backup.Operations.Reports.Signing;

/// <summary>
/// A detached CMS signature with one signer, read. Nothing in it is believed before <see cref="IsGenuine"/> says that
/// the certificate's key signed it.
/// </summary>
internal sealed class DetachedSignature : IDisposable
{
    private readonly SignerInformation _signer;

    private DetachedSignature(SignerInformation signer, X509Certificate2? certificate,
        IReadOnlyList<X509Certificate2> others)
    {
        _signer = signer;
        Certificate = certificate;
        Others = others;
    }

    /// <summary>The signer's certificate; null when the signature did not bring it.</summary>
    internal X509Certificate2? Certificate { get; }

    /// <summary>The other certificates that it brought.</summary>
    internal IReadOnlyList<X509Certificate2> Others { get; }

    /// <summary>When it was signed, as the signer's clock said, UTC; null when it does not say.</summary>
    internal DateTime? ClaimedUtc
    {
        get
        {
            try
            {
                return Value(CmsAttributes.SigningTime) is Asn1Encodable value
                    ? Time.GetInstance(value).ToDateTime().ToUniversalTime()
                    : null;
            }
            catch (Exception e) when (e is ArgumentException or InvalidOperationException or FormatException)
            {
                return null;
            }
        }
    }

    /// <summary>The id of the report that was signed, or null.</summary>
    internal string? ReportId => Octets(PkcsObjectIdentifiers.IdAAContentIdentifier) is byte[] octets
        ? Encoding.ASCII.GetString(octets)
        : null;

    /// <summary>Reads it.</summary>
    /// <exception cref="FormatException">It is no such thing.</exception>
    internal static DetachedSignature Read(byte[] bytes)
    {
        try
        {
            var data = new CmsSignedData(bytes);
            SignerInformation[] signers = [.. data.GetSignerInfos().GetSigners()];
            if (signers.Length != 1) throw new FormatException($"It has {signers.Length} signers, and not one.");
            // Read now, and not where it is first needed.
            if (signers[0].SignedAttributes is null) throw new FormatException("It has no signed attributes.");
            if (data.SignedContent is not null) throw new FormatException("It is not detached.");
            BouncyCertificate[] certificates = [.. data.GetCertificates().EnumerateMatches(null)];
            BouncyCertificate? own = certificates.FirstOrDefault(signers[0].SignerID.Match);
            return new DetachedSignature(signers[0],
                own is null ? null : Convert(own),
                [.. certificates.Where(c => !ReferenceEquals(c, own)).Select(Convert)]);
        }
        // The reader of ASN.1 has an exception of its own for everything that may be wrong.
        catch (Exception e) when (e is not FormatException and not OutOfMemoryException)
        {
            throw new FormatException("It is not a CMS signature.", e);
        }
    }

    /// <summary>Whether these bytes are what was signed.</summary>
    /// <param name="content">The JSON.</param>
    internal bool IsOf(byte[] content)
    {
        if (Algorithm is not SignatureAlgorithm algorithm
            || Octets(CmsAttributes.MessageDigest) is not byte[] digest)
            return false;
        using var hash = IncrementalHash.CreateHash(algorithm.Hash);
        hash.AppendData(content);
        return hash.GetHashAndReset().SequenceEqual(digest);
    }

    /// <summary>Whether the certificate's key signed this, and the signature means this certificate.</summary>
    internal bool IsGenuine()
    {
        try
        {
            return Certificate is X509Certificate2 certificate && Algorithm is SignatureAlgorithm algorithm
                && NamesItsCertificate(certificate)
                && _signer.GetEncodedSignedAttributes() is byte[] attributes
                && algorithm.Verify(certificate, attributes, _signer.GetSignature());
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or IOException or CmsException
            or InvalidOperationException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        Certificate?.Dispose();
        foreach (X509Certificate2 other in Others) other.Dispose();
    }

    private SignatureAlgorithm? Algorithm =>
        Certificate is not null && SignatureAlgorithm.Of(Certificate) is SignatureAlgorithm algorithm
            && algorithm.HashOid == _signer.DigestAlgorithmID.Algorithm.Id
            ? algorithm
            : null;

    private bool NamesItsCertificate(X509Certificate2 certificate)
    {
        if (Value(PkcsObjectIdentifiers.IdAASigningCertificateV2) is not Asn1Encodable value) return false;
        EssCertIDv2[] named = SigningCertificateV2.GetInstance(value).GetCerts();
        using var sha = SHA256.Create();
        return named.Length > 0 && named[0].GetCertHash().SequenceEqual(sha.ComputeHash(certificate.RawData));
    }

    private byte[]? Octets(DerObjectIdentifier name) => (Value(name) as Asn1OctetString)?.GetOctets();

    private Asn1Encodable? Value(DerObjectIdentifier name) =>
        _signer.SignedAttributes?[name]?.AttrValues is { Count: 1 } values ? values[0] : null;

    private static X509Certificate2 Convert(BouncyCertificate certificate)
    {
#if NET9_0_OR_GREATER
        return X509CertificateLoader.LoadCertificate(certificate.GetEncoded());
#else
        return new X509Certificate2(certificate.GetEncoded());
#endif
    }
}
