using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;

namespace Natalia.Backup.Testing;

/// <summary>
/// A real S3 server with object lock, started once per run and stopped with it: a Ceph RADOS Gateway from the
/// distribution's packages, on 127.0.0.1. Where it is missing, its tests are skipped with the reason; with
/// NATALIA_REQUIRE_REAL=1 it is installed, and where that does not work they fail.
/// </summary>
/// <remarks>
/// It is asked by signed requests of its own and not by the SDK: the process that tests the laid out module must not
/// have the module's libraries itself.
/// </remarks>
public sealed class CephServer
{
    public const string AccessKey = "natalia-test-key";
    public const string SecretKey = "natalia-test-secret";

    private static readonly Lazy<CephServer> s_instance = new(Start, LazyThreadSafetyMode.ExecutionAndPublication);
    private static readonly Lazy<string?> s_obstacle = new(FindObstacle,
        LazyThreadSafetyMode.ExecutionAndPublication);
    private static int s_buckets;

    private readonly HttpClient _client = new();

    private CephServer(int port, string folder) =>
        (Endpoint, Folder) = (new Uri($"http://127.0.0.1:{port}"), folder);

    public static CephServer Running => s_instance.Value;

    /// <summary>Null when its programs are installed, else the reason why tests are skipped. Starts nothing.</summary>
    public static string? Missing { get; } = FindMissing();

    /// <summary>Null when the server runs or can be started, else the reason why its tests are skipped.</summary>
    public static string? Obstacle => s_obstacle.Value;

    private static bool IsRequired => Environment.GetEnvironmentVariable("NATALIA_REQUIRE_REAL") == "1";

    public Uri Endpoint { get; }
    public string Folder { get; }

    public static SecureString Secret(string text) => new NetworkCredential("", text).SecurePassword;

    public async Task<string> MakeBucketAsync(bool objectLock = false)
    {
        string name = $"bucket-{Environment.ProcessId}-{Interlocked.Increment(ref s_buckets)}";
        await SendAsync(HttpMethod.Put, name,
            objectLock ? ("x-amz-bucket-object-lock-enabled", "true") : null);
        return name;
    }

    /// <summary>Deletes an object as somebody with the key does who names no version of it.</summary>
    public Task DeleteAsync(string bucket, string key) => SendAsync(HttpMethod.Delete, $"{bucket}/{key}");

    /// <summary>The keys of a bucket as a list of it shows them; at most 1,000.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(string bucket)
    {
        XDocument list = XDocument.Parse(await SendAsync(HttpMethod.Get, bucket));
        return [.. list.Descendants().Where(e => e.Name.LocalName == "Key").Select(e => e.Value)];
    }

    /// <summary>Another user, who may do nothing yet, with a key of its own.</summary>
    public async Task<(string User, string AccessKey, string SecretKey)> MakeUserAsync()
    {
        string user = $"user-{Environment.ProcessId}-{Interlocked.Increment(ref s_buckets)}";
        await AdministerAsync("user", "create", $"--uid={user}", $"--display-name={user}", $"--access-key={user}-key",
            $"--secret-key={user}-secret");
        return (user, $"{user}-key", $"{user}-secret");
    }

    /// <summary>Gives a user a policy, as it stands, through the server's IAM interface.</summary>
    public Task PutUserPolicyAsync(string user, string policy) => SendAsync(HttpMethod.Post, "", null, "iam",
        $"Action=PutUserPolicy&Version=2010-05-08&UserName={user}&PolicyName=natalia&PolicyDocument="
        + $"{Uri.EscapeDataString(policy)}");

    /// <summary>Runs radosgw-admin, and gives what it says.</summary>
    public async Task<string> AdministerAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("radosgw-admin", ["-n", "client.rgw", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["CEPH_CONF"] = Path.Combine(Folder, "ceph.conf");
        start.Environment["CEPH_ARGS"] = "--no-mon-config";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await errors);
        return said;
    }

    /// <summary>Sends a request that the administrator's key signs.</summary>
    /// <returns>The body of the answer.</returns>
    private async Task<string> SendAsync(HttpMethod method, string path, (string Name, string Value)? header = null,
        string service = "s3", string body = "")
    {
        string time = DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture),
            scope = $"{time[..8]}/us-east-1/{service}/aws4_request", hash = Hash(body);
        string[] escaped = [.. path.Split('/').Select(Uri.EscapeDataString)];
        var place = new Uri(Endpoint, "/" + string.Join('/', escaped));
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
        SortedDictionary<string, string> headers = new(StringComparer.Ordinal)
        {
            ["host"] = Endpoint.Authority,
            ["x-amz-content-sha256"] = hash,
            ["x-amz-date"] = time,
        };
        if (header is (string name, string value)) headers.Add(name, value);
        string signed = string.Join(';', headers.Keys);
        string canonical = $"{method}\n{place.AbsolutePath}\n\n"
            + string.Concat(headers.Select(h => $"{h.Key}:{h.Value}\n")) + $"\n{signed}\n{hash}";
        byte[] key = Encoding.UTF8.GetBytes("AWS4" + SecretKey);
        foreach (string part in scope.Split('/')) key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        string signature = Convert.ToHexStringLower(HMACSHA256.HashData(key,
            Encoding.UTF8.GetBytes($"AWS4-HMAC-SHA256\n{time}\n{scope}\n{Hash(canonical)}")));
        using var request = new HttpRequestMessage(method, place);
        if (body.Length > 0)
            request.Content = new StringContent(body, Encoding.UTF8, "application/x-www-form-urlencoded");
        foreach ((string field, string text) in headers.Where(h => h.Key != "host")) request.Headers.Add(field, text);
        request.Headers.TryAddWithoutValidation("Authorization",
            $"AWS4-HMAC-SHA256 Credential={AccessKey}/{scope}, SignedHeaders={signed}, Signature={signature}");
        using HttpResponseMessage answer = await _client.SendAsync(request);
        string said = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode} {said}");
        return said;
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string? FindObstacle()
    {
        if (IsRequired || Missing is not null) return Missing;
        try
        {
            _ = s_instance.Value;
            return null;
        }
        catch (Exception error)
        {
            return $"The Ceph gateway does not start: {error.Message}";
        }
    }

    private static string? FindMissing() =>
        IsRequired ? null
        : !RuntimeInformation.IsOSPlatform(OSPlatform.Linux) ? "The Ceph gateway of these tests runs on Linux only."
        : Run("install.sh", "--check") is (not 0, string missing) ? $"{missing}: run tests/servers/ceph/install.sh."
        : null;

    private static CephServer Start()
    {
        if (IsRequired && Run("install.sh") is (not 0, string missing))
            throw new InvalidOperationException($"The Ceph gateway could not be installed: {missing}");
        string folder = Path.Combine(Path.GetTempPath(), $"natalia-ceph-{Environment.ProcessId}");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Run("stop.sh", folder);
        string errors = "";
        // A port that was free may be taken a moment later: then others are tried.
        for (int attempt = 0; attempt < 3; attempt++)
        {
            int[] ports = FreePorts(11);
            // The OSD gets a range of its own above a free port.
            int range = ports[2..].Max();
            (int code, errors) = Run("start.sh", folder, $"{ports[0]}", $"{ports[1]}", $"{range}",
                $"{Math.Min(range + 40, 65_000)}", AccessKey, SecretKey, $"{Environment.ProcessId}");
            if (code == 0) return new CephServer(ports[0], folder);
            Run("stop.sh", folder);
        }
        throw new InvalidOperationException(errors);
    }

    private static int[] FreePorts(int count)
    {
        TcpListener[] listeners = [.. Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        foreach (TcpListener listener in listeners) listener.Start();
        int[] ports = [.. listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port)];
        foreach (TcpListener listener in listeners) listener.Stop();
        return ports;
    }

    private static (int Code, string Errors) Run(string script, params string[] arguments)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "servers", "ceph", script);
        using Process process = Process.Start(new ProcessStartInfo("bash", [path, .. arguments])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        _ = process.StandardOutput.ReadToEndAsync();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, errors.Trim());
    }
}

/// <summary>
/// A test that starts the real server when it runs, and not when tests are looked for; skipped with the reason where
/// its programs are not installed.
/// </summary>
public sealed class BucketFactAttribute : FactAttribute
{
    public BucketFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, CephServer.Missing);
}

/// <summary>A test against the real server; skipped with the reason where it cannot be had.</summary>
public sealed class CephFactAttribute : FactAttribute
{
    public CephFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, CephServer.Obstacle);
}
