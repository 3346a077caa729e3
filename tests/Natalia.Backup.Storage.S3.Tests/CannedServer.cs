using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>
/// A server on loopback that gives the answers a test wants: for what a healthy real server never says. One request per
/// connection.
/// </summary>
public sealed class CannedServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<string, (int Status, string Body)> _answer;
    private readonly X509Certificate2? _certificate;
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _log = new();
    private int _requests;

    /// <param name="answer">Gets "METHOD /path?query", returns what to answer.</param>
    /// <param name="tls">Speak TLS, with a certificate that nobody trusts.</param>
    public CannedServer(Func<string, (int Status, string Body)> answer, bool tls = false)
    {
        _answer = answer;
        if (tls) _certificate = MakeCertificate();
        _listener.Start();
        Endpoint = new Uri($"{(tls ? "https" : "http")}://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
        _ = AcceptAsync();
    }

    public Uri Endpoint { get; }

    /// <summary>
    /// More headers of the answer to a request, each ending with a line end; null for none. Without them a put that is
    /// taken has the MD5 of its bytes as its tag.
    /// </summary>
    public Func<string, string>? Headers { get; init; }

    /// <summary>Writes the body of an answer piece by piece; null for at once.</summary>
    public Func<Stream, byte[], Task>? Write { get; init; }

    /// <summary>Every request so far: method, path and query.</summary>
    public IReadOnlyCollection<string> Log => _log;

    public int Requests => Volatile.Read(ref _requests);
    public string Thumbprint => Convert.ToHexString(SHA256.HashData(_certificate!.RawData));

    public static (int, string) S3Error(int status, string code, string message = "said on purpose") =>
        (status, $"<?xml version=\"1.0\" "
            + $"encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>"
            + $"{message}</Message><RequestId>1</RequestId></Error>");

    /// <summary>What an empty, unversioned bucket answers, so that a store can be opened.</summary>
    public static (int, string)? EmptyBucket(string request) =>
        request.Contains("list-type=2")
            ? (200, "<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>")
        : request.Contains("?versioning") ? (200, "<VersioningConfiguration/>")
        : request.Contains(".probe-") ? S3Error(501, "NotImplemented")
        : null;

    public void Dispose()
    {
        _listener.Stop();
        _certificate?.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException) { }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            using (client)
            {
                Stream stream = client.GetStream();
                if (_certificate is not null)
                {
                    var tls = new SslStream(stream);
                    await tls.AuthenticateAsServerAsync(_certificate);
                    stream = tls;
                }
                using (stream)
                {
                    string head = await ReadHeadAsync(stream);
                    Interlocked.Increment(ref _requests);
                    string[] lines = head.Split("\r\n");
                    string? length = Array.Find(lines,
                        l => l.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
                    byte[] sent = length is not null
                        && !head.Contains("100-continue", StringComparison.OrdinalIgnoreCase)
                        ? new byte[int.Parse(length[15..])]
                        : [];
                    await stream.ReadExactlyAsync(sent);
                    string request = string.Join(' ', lines[0].Split(' ')[..2]);
                    _log.Enqueue(request);
                    (int status, string body) = _answer(request);
                    if (status == 0) return;
                    string more = Headers?.Invoke(request)
                        ?? (status == 200 && request.StartsWith("PUT", StringComparison.Ordinal)
                            ? $"ETag: \"{Convert.ToHexStringLower(MD5.HashData(sent))}\"\r\n"
                            : "");
                    bool bodiless = lines[0].StartsWith("HEAD", StringComparison.Ordinal);
                    byte[] answer = Encoding.UTF8.GetBytes($"HTTP/1.1 {status} x\r\nContent-Type: "
                        + $"application/xml\r\nContent-Length: "
                        + $"{Encoding.UTF8.GetByteCount(body)}\r\n{more}x-amz-request-id: 1\r\nConnection: "
                        + "close\r\n\r\n");
                    await stream.WriteAsync(answer);
                    byte[] bytes = bodiless ? [] : Encoding.UTF8.GetBytes(body);
                    if (Write is not null && bytes.Length > 0) await Write(stream, bytes);
                    else await stream.WriteAsync(bytes);
                    await stream.FlushAsync();
                }
            }
        }
        catch (Exception error)
            when (error is IOException or SocketException or System.Security.Authentication.AuthenticationException
                or EndOfStreamException)
        { }
    }

    private static async Task<string> ReadHeadAsync(Stream stream)
    {
        var head = new StringBuilder();
        byte[] one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one) == 0) throw new EndOfStreamException();
            head.Append((char)one[0]);
        }
        return head.ToString();
    }

    private static X509Certificate2 MakeCertificate()
    {
        using RSA key = RSA.Create(2048);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1),
            DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
    }
}
