using System.Net;

namespace Natalia.Backup.Storage.S3;

/// <summary>The way that requests take, in words for messages: no secrets.</summary>
/// <param name="Host">The server: host and port, or AWS.</param>
/// <param name="Proxy">The proxy before it: host and port; null for none.</param>
/// <param name="HasProxyLogin">Whether there is a login for the proxy.</param>
/// <param name="IsVirtual">Whether the bucket's name stands before the endpoint's host.</param>
internal sealed record S3Route(string Host, string? Proxy, bool HasProxyLogin, bool IsVirtual)
{
    internal string Server => Proxy is null ? Host : $"{Host} (through the proxy {Proxy})";

    internal static S3Route To(S3StoreOptions options, S3Address? address, IWebProxy proxies)
    {
        Uri server = address?.Base ?? options.Endpoint ?? new Uri("https://s3.amazonaws.com");
        Uri? proxy = proxies.GetProxy(server);
        return new S3Route(options.Endpoint is null ? "AWS" : server.Authority, proxy?.Authority,
            proxy is not null && proxies.Credentials?.GetCredential(proxy, "Basic") is { UserName.Length: > 0 },
            address?.Style == S3AddressingStyle.Virtual && server.Host != options.Endpoint?.Host);
    }
}
