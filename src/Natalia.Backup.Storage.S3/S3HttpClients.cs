using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Amazon.Runtime;
using Natalia.Backup.Engine.Network;

namespace Natalia.Backup.Storage.S3;

/// <summary>
/// Gives the SDK one HTTP client of this store's own: its connections end with the store, and its trust in a pinned
/// certificate is nobody else's.
/// </summary>
internal sealed class S3HttpClients : HttpClientFactory, IDisposable
{
    private readonly HttpClient _client;
    private readonly byte[]? _thumbprint;

    internal S3HttpClients(S3StoreOptions options, byte[]? thumbprint)
    {
        _thumbprint = thumbprint;
        Proxy = options.Proxy ?? NetworkProxy.Default;
#if NET8_0_OR_GREATER
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            Proxy = Proxy,
            ConnectTimeout = options.ConnectTimeout,
            // Name changes are noticed in the course of a long run.
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
            Expect100ContinueTimeout = TimeSpan.FromSeconds(3),
        };
        if (options.Connect is { } connect)
            handler.ConnectCallback = async (context, stop) => await connect(context.DnsEndPoint.Host,
                context.DnsEndPoint.Port, stop).ConfigureAwait(false);
        if (thumbprint is not null)
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) => IsPinned(certificate);
#else
        var handler = new HttpClientHandler
        {
            AllowAutoRedirect = false,
            Proxy = Proxy,
            // As many as the readers of sixteen leaves use; the .NET Framework would have two.
            MaxConnectionsPerServer = 256,
        };
        if (thumbprint is not null)
            handler.ServerCertificateCustomValidationCallback = (_, certificate, _, _) => IsPinned(certificate);
#endif
        // Requests end by lack of progress, not by their duration: a pack takes long over a thin line.
        _client = new HttpClient(new S3Answers(new SmallBodies(handler, Proxy))) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>The proxy on the way to servers.</summary>
    internal IWebProxy Proxy { get; }

    public override HttpClient CreateHttpClient(IClientConfig clientConfig) => _client;

    public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

    public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;

    public void Dispose() => _client.Dispose();

    private bool IsPinned(X509Certificate? certificate)
    {
        if (certificate is null) return false;
        using SHA256 sha = SHA256.Create();
        return sha.ComputeHash(certificate.GetRawCertData()).AsSpan().SequenceEqual(_thumbprint);
    }

    /// <summary>
    /// Sends small bodies at once. The SDK has every put wait for the server's "continue", which for them costs more
    /// than a body that is refused.
    /// </summary>
    private sealed class SmallBodies(HttpMessageHandler inner, IWebProxy proxy) : DelegatingHandler(inner)
    {
        private const long Limit = 1 << 20;

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request,
            CancellationToken cancellationToken)
        {
            if (request.Content?.Headers.ContentLength < Limit) request.Headers.ExpectContinue = false;
            // A tunnel logs in once. Without one each request would be refused first, and a pack travel twice.
            if (request.RequestUri!.Scheme == "http" && proxy.GetProxy(request.RequestUri) is Uri address
                && proxy.Credentials?.GetCredential(address, "Basic") is { UserName.Length: > 0 } login)
                request.Headers.ProxyAuthorization = new("Basic",
                    Convert.ToBase64String(Encoding.UTF8.GetBytes($"{login.UserName}:{login.Password}")));
            return base.SendAsync(request, cancellationToken);
        }
    }
}
