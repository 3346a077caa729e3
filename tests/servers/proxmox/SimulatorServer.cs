using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>
/// HTTPS on 127.0.0.1, one port and one certificate for each node, all signed by one authority made at run time. Every
/// request is held against the published operations.
/// </summary>
internal sealed class SimulatorServer : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly Func<SimulatorRequest, SimulatorReply> _answer;
    private readonly RequestValidator _validator;
    private readonly Dictionary<int, string> _nodeOfPort = [];
    private readonly ConcurrentDictionary<string, bool> _down = [];
    private readonly KeyOrder _keys = new();

    private SimulatorServer(WebApplication application, RequestValidator validator,
        Func<SimulatorRequest, SimulatorReply> answer) =>
        (_application, _validator, _answer) = (application, validator, answer);

    internal static async Task<SimulatorServer> StartAsync(IReadOnlyList<string> nodes, OperationTable table,
        Func<SimulatorRequest, SimulatorReply> answer, bool useRsa = false)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        using AsymmetricAlgorithm authorityKey = MakeKey(useRsa);
        CertificateRequest authorityRequest = Request("CN=Proxmox Virtual Environment", authorityKey);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        X509Certificate2 authority = authorityRequest.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1),
            DateTimeOffset.UtcNow.AddYears(10));
        var certificates = nodes.ToDictionary(n => n, n => MakeLeaf(n, authority, useRsa));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            foreach (string node in nodes) kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.UseHttps(certificates[node]);
            });
        });
        WebApplication application = builder.Build();
        var server = new SimulatorServer(application, new RequestValidator(table),
            answer)
        { Authority = authority, Certificates = certificates };
        application.Run(server.HandleAsync);
        await application.StartAsync();
        int index = 0;
        foreach (string url in application.Urls)
        {
            int port = new Uri(url).Port;
            server._nodeOfPort[port] = nodes[index];
            server.Ports[nodes[index++]] = port;
        }
        return server;
    }

    internal required X509Certificate2 Authority { get; init; }

    internal required Dictionary<string, X509Certificate2> Certificates { get; init; }

    internal Dictionary<string, int> Ports { get; } = [];

    /// <summary>What the client did against the contract; each is a failure.</summary>
    internal ConcurrentQueue<string> Violations { get; } = [];

    internal ConcurrentQueue<SimulatorRequest> Requests { get; } = [];

    /// <summary>
    /// Looks at a request first; what it gives is the answer. A thrown IOException breaks the connection.
    /// </summary>
    internal Func<SimulatorRequest, SimulatorReply?>? Intercept { get; set; }

    internal string Thumbprint(string node) => Convert.ToHexStringLower(SHA256.HashData(Certificates[node].RawData));

    internal string AuthorityFingerprint =>
        string.Join(':', SHA256.HashData(Authority.RawData).Select(b => b.ToString("X2")));

    /// <summary>A node that is down breaks every connection.</summary>
    internal void SetDown(string node, bool isDown) => _down[node] = isDown;

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync(new CancellationToken(true));
        await _application.DisposeAsync();
    }

    private async Task HandleAsync(HttpContext context)
    {
        string node = _nodeOfPort[context.Connection.LocalPort];
        if (_down.TryGetValue(node, out bool isDown) && isDown)
        {
            context.Abort();
            return;
        }
        SimulatorRequest request = await ReadAsync(node, context);
        Requests.Enqueue(request);
        SimulatorReply reply;
        try
        {
            reply = Intercept?.Invoke(request) ?? Answer(request);
        }
        catch (IOException)
        {
            context.Abort();
            return;
        }
        catch (SimulatorRefusal refusal)
        {
            reply = refusal.Reply;
        }
        catch (Exception e)
        {
            Violations.Enqueue($"{request}: the simulator failed: {e}");
            reply = SimulatorReply.Fail(500, "simulator failed");
        }
        context.Response.StatusCode = reply.Status;
        if (reply.Reason is not null)
            context.Features.Get<IHttpResponseFeature>()!.ReasonPhrase = reply.Reason.Replace('\n', ' ');
        byte[] body;
        if (reply.RawBody is not null)
        {
            body = Encoding.UTF8.GetBytes(reply.RawBody);
        }
        else
        {
            var envelope = new Dictionary<string, object?> { ["data"] = reply.Data };
            if (reply.Errors is not null) envelope["errors"] = reply.Errors;
            if (reply.Total is not null) envelope["total"] = reply.Total;
            // Newer servers say the reason in the body, too.
            if (reply.Reason is not null) envelope["message"] = reply.Reason + "\n";
            body = _keys.Shuffle(JsonSerializer.SerializeToUtf8Bytes(envelope), request.ToString());
        }
        context.Response.ContentType = "application/json;charset=UTF-8";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body);
    }

    private SimulatorReply Answer(SimulatorRequest request)
    {
        IReadOnlyList<string> violations = _validator.Check(request);
        foreach (string violation in violations) Violations.Enqueue($"{request}: {violation}");
        if (violations.Count > 0)
            return SimulatorReply.Fail(400, "Parameter verification failed.",
                violations.Select((v, i) => (v, i)).ToDictionary(v => "e" + v.i, v => v.v));
        return _answer(request);
    }

    private static async Task<SimulatorRequest> ReadAsync(string node, HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        string target = context.Features.Get<IHttpRequestFeature>()!.RawTarget;
        int question = target.IndexOf('?');
        return new SimulatorRequest(node, context.Request.Method, question < 0 ? target : target[..question],
            Pairs(question < 0 ? "" : target[(question + 1)..]), Pairs(Encoding.ASCII.GetString(body.ToArray())),
            body.Length > 0,
            context.Request.ContentType, context.Request.Headers.Cookie, context.Request.Headers["CSRFPreventionToken"],
            context.Request.Headers.Authorization);
    }

    private static Dictionary<string, List<string>> Pairs(string text)
    {
        var pairs = new Dictionary<string, List<string>>();
        foreach (string pair in text.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = pair.IndexOf('=');
            string key = Uri.UnescapeDataString(equals < 0 ? pair : pair[..equals]);
            string value = equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..]);
            if (!pairs.TryGetValue(key, out List<string>? list)) pairs.Add(key, list = []);
            list.Add(value);
        }
        return pairs;
    }

    /// <summary>
    /// Real clusters have RSA keys. Elliptic ones are made a hundred times as fast, and only the oldest class libraries
    /// tell the difference.
    /// </summary>
    private static AsymmetricAlgorithm MakeKey(bool useRsa) =>
        useRsa ? RSA.Create(2048) : ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private static CertificateRequest Request(string subject, AsymmetricAlgorithm key) =>
        key is RSA rsa
            ? new CertificateRequest(subject, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(subject, (ECDsa)key, HashAlgorithmName.SHA256);

    private static X509Certificate2 MakeLeaf(string node, X509Certificate2 authority, bool useRsa)
    {
        using AsymmetricAlgorithm key = MakeKey(useRsa);
        CertificateRequest request = Request($"CN={node}", key);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName(node);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        using X509Certificate2 signed = request.Create(authority, DateTimeOffset.UtcNow.AddDays(-1),
            DateTimeOffset.UtcNow.AddYears(1), RandomNumberGenerator.GetBytes(8));
        using X509Certificate2 withKey = key is RSA rsa
            ? signed.CopyWithPrivateKey(rsa)
            : signed.CopyWithPrivateKey((ECDsa)key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), null);
    }
}
