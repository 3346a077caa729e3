using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Natalia.Backup.Engine;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Nbd;
using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Overlays;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.BlockClient;

namespace Natalia.Backup.Serving.Tests.Nbd;

/// <summary>What clients of others do with a served point: libnbd's and QEMU's.</summary>
public sealed class NbdClientTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string File(string name) => Path.Combine(_folder.Path, name);

    [BlockClientFact]
    public async Task Nbdcopy_and_qemu_read_the_point_as_it_was()
    {
        using ServedPoint served = await ServedPoint.MakeAsync(RepositoryFixture.Disk((37 << 20) + 512, 1));
        using PointDisk disk = await served.ServeAsync();
        using var server = new NbdServer(new ListenOptions(), [new NbdExport("data", "a disk", disk)]);
        server.Start();
        System.IO.File.WriteAllBytes(File("raw"), served.Bytes);
        string uri = $"nbd://127.0.0.1:{server.EndPoint.Port}/data";

        string info = Run(true, "nbdinfo", uri);
        Assert.Contains("export-size: 38797824", info);
        Assert.Contains("is_read_only: true", info);
        Assert.Contains("can_multi_conn: true", info);
        Assert.Contains("base:allocation", info);
        Assert.Contains("identical", Run(true, "qemu-img", "compare", "-f", "raw", "-F", "raw", File("raw"), uri));
        Run(true, "nbdcopy", uri, File("copied"));
        Assert.True(served.Bytes.AsSpan().SequenceEqual(System.IO.File.ReadAllBytes(File("copied"))));
        Assert.Contains("hole,zero", Run(true, "nbdinfo", "--map", uri));
        Run(false, "qemu-io", "-f", "raw", uri, "-c", "write 0 4k");
    }

    [BlockClientFact]
    public async Task A_socket_in_the_file_system_serves_as_well_and_goes_with_the_server()
    {
        using ServedPoint served = await ServedPoint.MakeAsync(RepositoryFixture.Disk(3 << 20, 1));
        using PointDisk disk = await served.ServeAsync();
        string socket = File("disks.sock");
        using (var server = new NbdServer(new ListenOptions { SocketPath = socket },
            [new NbdExport("data", "a disk", disk)]))
        {
            server.Start();
            Run(true, "nbdcopy", $"nbd+unix:///data?socket={socket}", File("copied"));
            Assert.True(served.Bytes.AsSpan().SequenceEqual(System.IO.File.ReadAllBytes(File("copied"))));
            NataliaException taken = Assert.Throws<NataliaException>(() =>
                new NbdServer(new ListenOptions { SocketPath = socket }, []));
            Assert.Equal(ErrorIds.AddressNotAvailable, taken.ErrorId);
            Assert.DoesNotContain("-Port", taken.RecommendedAction, StringComparison.Ordinal);
        }
        Assert.False(System.IO.File.Exists(socket));
        Assert.Equal(ErrorIds.AddressNotAvailable, Assert.Throws<NataliaException>(() =>
            new NbdServer(new ListenOptions { SocketPath = File(new string('x', 200)) }, [])).ErrorId);
    }

    [BlockClientFact]
    public async Task Qemu_writes_zeroes_discards_and_flushes_over_the_point()
    {
        using ServedPoint served = await ServedPoint.MakeAsync(RepositoryFixture.Disk(24 << 20, 2));
        using OverlayDisk disk = OverlayDisk.Open(await served.ServeAsync(),
            new OverlayIdentity("r", "p", "d", served.Bytes.Length), File("overlay"), 1 << 30, false);
        using var server = new NbdServer(new ListenOptions(), [new NbdExport("data", "a disk", disk)]);
        server.Start();
        System.IO.File.WriteAllBytes(File("raw"), served.Bytes);
        string uri = $"nbd://127.0.0.1:{server.EndPoint.Port}/data";
        string[] deeds = ["-c", "write -P 7 1000 5000", "-c", "write -P 9 5M 300k", "-c", "write -z 10M 3M", "-c",
            "write -f -P 5 11M 4k", "-c", "flush", "-c", "write -z -u 15M 1M"];

        Run(true, ["qemu-io", "-f", "raw", uri, .. deeds, "-c", "discard 20M 1M"]);
        Run(true, ["qemu-io", "-f", "raw", File("raw"), .. deeds, "-c", "write -z 20M 1M"]);
        Assert.Contains("identical", Run(true, "qemu-img", "compare", "-f", "raw", "-F", "raw", File("raw"), uri));
        // The point itself did not change.
        byte[] now = await RepositoryFixture.RestoreAsync(served.Repository, served.Point);
        Assert.True(served.Bytes.AsSpan().SequenceEqual(now));
    }

    [BlockClientFact]
    public async Task With_TLS_only_clients_with_a_certificate_of_the_authority_read()
    {
        using ServedPoint served = await ServedPoint.MakeAsync(RepositoryFixture.Disk(1 << 20, 3));
        using PointDisk disk = await served.ServeAsync();
        using RSA key = RSA.Create(2048);
        using X509Certificate2 authority = Authority(key, "CN=ours");
        using RSA otherKey = RSA.Create(2048);
        using X509Certificate2 other = Authority(otherKey, "CN=ours");
        using X509Certificate2 own = Issue(authority, key, "1.3.6.1.5.5.7.3.1", File("server"));
        using X509Certificate2 client = Issue(authority, key, "1.3.6.1.5.5.7.3.2",
            Directory.CreateDirectory(File("good")).FullName);
        using X509Certificate2 stranger = Issue(other, otherKey, "1.3.6.1.5.5.7.3.2",
            Directory.CreateDirectory(File("bad")).FullName);
        foreach (string folder in new[] { "good", "bad" })
            System.IO.File.WriteAllText(Path.Combine(File(folder), "ca-cert.pem"), authority.ExportCertificatePem());
        using var server = new NbdServer(new ListenOptions(), [new NbdExport("data", "a disk", disk)],
            new NbdTls(own, authority));
        server.Start();
        string place = $"127.0.0.1:{server.EndPoint.Port}/data";

        Assert.Contains("with TLS", Run(true, "nbdinfo", $"nbds://{place}?tls-certificates={File("good")}"));
        Run(false, "nbdinfo", $"nbds://{place}?tls-certificates={File("bad")}");
        Run(false, "nbdinfo", $"nbd://{place}");
    }

    private static X509Certificate2 Authority(RSA key, string name)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private static X509Certificate2 Issue(X509Certificate2 authority, RSA authorityKey, string purpose, string folder)
    {
        using RSA key = RSA.Create(2048);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], false));
        using X509Certificate2 bare = request.Create(authority.SubjectName,
            X509SignatureGenerator.CreateForRSA(authorityKey, RSASignaturePadding.Pkcs1),
            DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(20), RandomNumberGenerator.GetBytes(8));
        if (Directory.Exists(folder))
        {
            System.IO.File.WriteAllText(Path.Combine(folder, "client-cert.pem"), bare.ExportCertificatePem());
            System.IO.File.WriteAllText(Path.Combine(folder, "client-key.pem"), key.ExportPkcs8PrivateKeyPem());
        }
        return bare.CopyWithPrivateKey(key);
    }

    public void Dispose() => _folder.Dispose();
}
