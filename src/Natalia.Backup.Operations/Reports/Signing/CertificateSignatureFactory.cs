using System.Security.Cryptography.X509Certificates;
using Org.BouncyCastle.Crypto;

namespace Natalia.Backup.Operations.Reports.Signing;

/// <summary>Lets the CMS writer sign with the private key of a certificate, which never leaves its place.</summary>
internal sealed class CertificateSignatureFactory(X509Certificate2 certificate, SignatureAlgorithm algorithm)
    : ISignatureFactory
{
    public object AlgorithmDetails => algorithm.Identifier;

    public IStreamCalculator<IBlockResult> CreateCalculator() => new Calculator(certificate, algorithm);

    private sealed class Calculator(X509Certificate2 certificate, SignatureAlgorithm algorithm)
        : IStreamCalculator<IBlockResult>
    {
        private readonly MemoryStream _attributes = new();

        public Stream Stream => _attributes;

        public IBlockResult GetResult() => new Result(algorithm.Sign(certificate, _attributes.ToArray()));
    }

    private sealed class Result(byte[] signature) : IBlockResult
    {
        public byte[] Collect() => signature;

        public int Collect(byte[] buffer, int offset)
        {
            signature.CopyTo(buffer, offset);
            return signature.Length;
        }

#if NET8_0_OR_GREATER
        public int Collect(Span<byte> output)
        {
            signature.CopyTo(output);
            return signature.Length;
        }
#endif

        public int GetMaxResultLength() => signature.Length;
    }
}
