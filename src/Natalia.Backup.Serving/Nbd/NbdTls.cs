using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Natalia.Backup.Serving.Nbd;

/// <summary>How a server encrypts: with its certificate, and with clients that prove who they are where that is
/// asked.</summary>
/// <param name="certificate">The server's, with its private key.</param>
/// <param name="clientCa">Whose clients may connect; null for any.</param>
public sealed class NbdTls(X509Certificate2 certificate, X509Certificate2? clientCa)
{
    internal async Task<Stream> AcceptAsync(Stream plain, CancellationToken cancellationToken)
    {
        var secure = new SslStream(plain, leaveInnerStreamOpen: true, (_, client, _, _) => IsTrusted(client));
        try
        {
            using (cancellationToken.Register(secure.Dispose))
            {
                // What the system holds for safe.
                await secure.AuthenticateAsServerAsync(certificate, clientCa is not null, SslProtocols.None,
                    checkCertificateRevocation: false).ConfigureAwait(false);
            }
            return secure;
        }
        catch
        {
            secure.Dispose();
            throw;
        }
    }

    private bool IsTrusted(X509Certificate? client)
    {
        if (clientCa is null) return true;
        if (client is null) return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ExtraStore.Add(clientCa);
        // Not a root that this machine knows: the one that was named, and no other.
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
        // 1.3.6.1.5.5.7.3.2: a certificate of a client, where it says what it is for.
        chain.ChainPolicy.ApplicationPolicy.Add(new System.Security.Cryptography.Oid("1.3.6.1.5.5.7.3.2"));
        using var own = new X509Certificate2(client);
        return chain.Build(own) && chain.ChainElements.Count > 1
            && chain.ChainElements.Cast<X509ChainElement>().Skip(1)
                .Any(e => e.Certificate.RawData.AsSpan().SequenceEqual(clientCa.RawData))
            && chain.ChainStatus.All(s =>
                s.Status is X509ChainStatusFlags.NoError or X509ChainStatusFlags.UntrustedRoot);
    }
}
