using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.Nist;
using Org.BouncyCastle.Asn1.Pkcs;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Asn1.X9;

namespace Natalia.Backup.Operations.Reports.Signing;

/// <summary>
/// How a kind of key signs: RSA with PKCS #1 v1.5 padding and SHA-256, or ECDSA with the hash that suits the curve
/// (SHA-256 for P-256, SHA-384 for P-384, SHA-512 for P-521). Both are in every CMS verifier (RFC 5652, RFC 5753).
/// </summary>
internal sealed class SignatureAlgorithm
{
    private readonly bool _isRsa;
    private readonly int _fieldBytes;

    private SignatureAlgorithm(bool isRsa, int fieldBytes, HashAlgorithmName hash)
    {
        _isRsa = isRsa;
        _fieldBytes = fieldBytes;
        Hash = hash;
    }

    /// <summary>The hash, of the content and of the attributes.</summary>
    internal HashAlgorithmName Hash { get; }

    /// <summary>The object identifier of the hash.</summary>
    internal string HashOid => Hash == HashAlgorithmName.SHA256 ? NistObjectIdentifiers.IdSha256.Id
        : Hash == HashAlgorithmName.SHA384 ? NistObjectIdentifiers.IdSha384.Id
        : NistObjectIdentifiers.IdSha512.Id;

    /// <summary>What a signature says of itself.</summary>
    internal AlgorithmIdentifier Identifier => _isRsa
        ? new AlgorithmIdentifier(PkcsObjectIdentifiers.Sha256WithRsaEncryption, DerNull.Instance)
        : new AlgorithmIdentifier(Hash == HashAlgorithmName.SHA256 ? X9ObjectIdentifiers.ECDsaWithSha256
            : Hash == HashAlgorithmName.SHA384 ? X9ObjectIdentifiers.ECDsaWithSha384
            : X9ObjectIdentifiers.ECDsaWithSha512);

    /// <summary>That of a certificate's key; null for a key of another kind.</summary>
    internal static SignatureAlgorithm? Of(X509Certificate2 certificate)
    {
        using RSA? rsa = certificate.GetRSAPublicKey();
        if (rsa is not null) return new SignatureAlgorithm(true, 0, HashAlgorithmName.SHA256);
        using ECDsa? ecdsa = certificate.GetECDsaPublicKey();
        return ecdsa is null
            ? null
            : new SignatureAlgorithm(false, (ecdsa.KeySize + 7) / 8, ecdsa.KeySize <= 256 ? HashAlgorithmName.SHA256
                : ecdsa.KeySize <= 384 ? HashAlgorithmName.SHA384
                : HashAlgorithmName.SHA512);
    }

    /// <summary>Signs with the certificate's private key, wherever that is: a file, a store, a card.</summary>
    /// <exception cref="CryptographicException">The key does not sign, or is not there.</exception>
    internal byte[] Sign(X509Certificate2 certificate, byte[] data)
    {
        if (_isRsa)
        {
            using RSA rsa = certificate.GetRSAPrivateKey() ?? throw new CryptographicException("There is no key.");
            return rsa.SignData(data, Hash, RSASignaturePadding.Pkcs1);
        }
        using ECDsa ecdsa = certificate.GetECDsaPrivateKey() ?? throw new CryptographicException("There is no key.");
        return ToDer(ecdsa.SignData(data, Hash));
    }

    /// <summary>Whether a signature is that of the certificate's key over these bytes.</summary>
    internal bool Verify(X509Certificate2 certificate, byte[] data, byte[] signature)
    {
        if (_isRsa)
        {
            using RSA rsa = certificate.GetRSAPublicKey()!;
            return rsa.VerifyData(data, signature, Hash, RSASignaturePadding.Pkcs1);
        }
        using ECDsa ecdsa = certificate.GetECDsaPublicKey()!;
        return FromDer(signature) is byte[] plain && ecdsa.VerifyData(data, plain, Hash);
    }

    /// <summary>.NET puts the two numbers of a signature beside each other, CMS into a sequence.</summary>
    private static byte[] ToDer(byte[] plain)
    {
        int half = plain.Length / 2;
        return new DerSequence(
            new DerInteger(new Org.BouncyCastle.Math.BigInteger(1, plain, 0, half)),
            new DerInteger(new Org.BouncyCastle.Math.BigInteger(1, plain, half, half))).GetEncoded();
    }

    private byte[]? FromDer(byte[] signature)
    {
        try
        {
            Asn1Sequence pair = Asn1Sequence.GetInstance(signature);
            if (pair.Count != 2) return null;
            var plain = new byte[_fieldBytes * 2];
            for (int i = 0; i < 2; i++)
            {
                byte[] number = DerInteger.GetInstance(pair[i]).PositiveValue.ToByteArrayUnsigned();
                if (number.Length > _fieldBytes) return null;
                number.CopyTo(plain, ((i + 1) * _fieldBytes) - number.Length);
            }
            return plain;
        }
        catch (Exception e) when (e is ArgumentException or IOException)
        {
            return null;
        }
    }
}
