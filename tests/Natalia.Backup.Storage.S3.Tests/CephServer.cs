using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security;
using System.Security.Cryptography;
using System.Text;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>
/// A real S3 server with object lock, started once per run and stopped with it: a Ceph RADOS Gateway from the
/// distribution's packages, on 127.0.0.1. Where it is missing, its tests are skipped with the reason; with
/// NATALIA_REQUIRE_REAL=1 it is installed, and where that does not work they fail.
/// </summary>
public sealed class CephServer
{
    public const string AccessKey = "natalia-test-key";
    public const string SecretKey = "natalia-test-secret";

    private static readonly Lazy<CephServer> s_instance = new(Start, LazyThreadSafetyMode.ExecutionAndPublication);
    private static int s_buckets;

    private CephServer(int port, string folder)
    {
        Endpoint = new Uri($"http://127.0.0.1:{port}");
        Folder = folder;
        Admin = new AmazonS3Client(new BasicAWSCredentials(AccessKey, SecretKey), new AmazonS3Config
        {
            ServiceURL = Endpoint.AbsoluteUri,
            ForcePathStyle = true,
            UseHttp = true,
            AuthenticationRegion = "us-east-1",
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        });
    }

    public static CephServer Running => s_instance.Value;

    /// <summary>Null when the server runs or can be started, else the reason why its tests are skipped.</summary>
    public static string? Obstacle { get; } = FindObstacle();

    public Uri Endpoint { get; }
    public string Folder { get; }

    /// <summary>The SDK's own client: what an administrator, or a vandal, has.</summary>
    public IAmazonS3 Admin { get; }

    public static SecureString Secret(string text) => new NetworkCredential("", text).SecurePassword;

    public async Task<string> MakeBucketAsync(bool objectLock = false)
    {
        string name = $"bucket-{Environment.ProcessId}-{Interlocked.Increment(ref s_buckets)}";
        await Admin.PutBucketAsync(new PutBucketRequest { BucketName = name, ObjectLockEnabledForBucket = objectLock });
        return name;
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
    public async Task PutUserPolicyAsync(string user, string policy)
    {
        string body = $"Action=PutUserPolicy&Version=2010-05-08&UserName={user}&PolicyName=natalia&PolicyDocument="
            + $"{Uri.EscapeDataString(policy)}";
        string time = DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture),
            scope = $"{time[..8]}/us-east-1/iam/aws4_request", hash = Hash(body);
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
        string canonical = $"POST\n/\n\nhost:{Endpoint.Authority}\nx-amz-content-sha256:{hash}\nx-amz-date:"
            + $"{time}\n\nhost;x-amz-content-sha256;x-amz-date\n{hash}";
        byte[] key = Encoding.UTF8.GetBytes("AWS4" + SecretKey);
        foreach (string part in scope.Split('/')) key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        string signature = Convert.ToHexStringLower(HMACSHA256.HashData(key,
            Encoding.UTF8.GetBytes($"AWS4-HMAC-SHA256\n{time}\n{scope}\n{Hash(canonical)}")));
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, Endpoint)
        {
            Content = new StringContent(body, Encoding.UTF8, "application/x-www-form-urlencoded"),
        };
        request.Headers.Add("x-amz-content-sha256", hash);
        request.Headers.Add("x-amz-date", time);
        request.Headers.TryAddWithoutValidation("Authorization",
            $"AWS4-HMAC-SHA256 Credential={AccessKey}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
            + $"Signature={signature}");
        using HttpResponseMessage answer = await client.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

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

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string? FindObstacle()
    {
        string? reason = null;
        bool required = Environment.GetEnvironmentVariable("NATALIA_REQUIRE_REAL") == "1";
        try
        {
            if (!RuntimeInformation.IsOSPlatform(OSPlatform.Linux))
                reason = "The Ceph gateway of these tests runs on Linux only.";
            else if (!required && Run("install.sh", "--check") is (not 0, string missing))
                reason = $"{missing}: run tests/servers/ceph/install.sh.";
            else if (required && Run("install.sh") is (not 0, string errors))
                reason = $"The Ceph gateway could not be installed: {errors}";
            else _ = s_instance.Value;
        }
        catch (Exception error)
        {
            reason = $"The Ceph gateway does not start: {error.Message}";
        }
        return required ? null : reason;
    }

    private static CephServer Start()
    {
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

/// <summary>A test against the real server; skipped with the reason where it cannot be had.</summary>
public sealed class CephFactAttribute : FactAttribute
{
    public CephFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, CephServer.Obstacle);
}
