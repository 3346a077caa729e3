using System.Text;
using System.Text.RegularExpressions;
using Natalia.Backup.Serving.Iscsi;
using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Overlays;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.BlockClient;

namespace Natalia.Backup.Serving.Tests.Iscsi;

/// <summary>What initiators of others do with a served point: libiscsi's, with its conformance suite, and
/// QEMU's.</summary>
public sealed class IscsiClientTests : IDisposable
{
    private const string Name = "iqn.2026-11.com.natalia:test", Serial = "00112233445566778899aabbccddeeff";

    private readonly TemporaryFolder _folder = new();

    private string File(string name) => Path.Combine(_folder.Path, name);

    private async Task<(ServedPoint Point, OverlayDisk Disk, IscsiTarget Target)> ServeAsync(byte[] bytes,
        ChapAccount? account = null, IReadOnlyList<string>? initiators = null)
    {
        ServedPoint point = await ServedPoint.MakeAsync(bytes);
        OverlayDisk disk = OverlayDisk.Open(await point.ServeAsync(),
            new OverlayIdentity("r", "p", "d", bytes.Length), File("overlay"), 1L << 30, false);
        var target = new IscsiTarget(new ListenOptions(), Name, Serial, disk, account, initiators);
        target.Start();
        return (point, disk, target);
    }

    private static string Uri(IscsiTarget target, string login = "") =>
        $"iscsi://{login}127.0.0.1:{target.EndPoint.Port}/{Name}/0";

    [BlockClientFact]
    public async Task Initiators_find_the_target_and_read_the_point_as_it_was()
    {
        byte[] bytes = RepositoryFixture.Disk((19 << 20) + 700, 1);
        (ServedPoint point, OverlayDisk disk, IscsiTarget target) = await ServeAsync(bytes);
        // The last sector is filled up with zeros.
        System.IO.File.WriteAllBytes(File("raw"), [.. bytes, .. new byte[512 - bytes.Length % 512]]);

        Assert.Contains($"Target:{Name}", Run(true, "iscsi-ls", "-s", $"iscsi://127.0.0.1:{target.EndPoint.Port}"));
        Assert.Contains("RESTORE POINT", Run(true, "iscsi-inq", Uri(target)));
        Assert.Contains(Serial, Run(true, "iscsi-inq", "-e", "1", "-c", "128", Uri(target)));
        Assert.Contains("identical", Run(true, "qemu-img", "compare", "-f", "raw", "-F", "raw", File("raw"),
            Uri(target)));
        Assert.Contains("identical", Run(true, "qemu-img", "compare", "--image-opts",
            $"driver=file,filename={File("raw")}",
            $"driver=iscsi,transport=tcp,portal=127.0.0.1:{target.EndPoint.Port},target={Name},lun=0,"
            + "header-digest=crc32c"));
        target.Dispose();
        disk.Dispose();
        point.Dispose();
    }

    [BlockClientFact]
    public async Task Qemu_writes_over_the_point()
    {
        byte[] bytes = RepositoryFixture.Disk(24 << 20, 2);
        (ServedPoint point, OverlayDisk disk, IscsiTarget target) = await ServeAsync(bytes);
        System.IO.File.WriteAllBytes(File("raw"), bytes);
        string[] deeds = ["-c", "write -P 7 1024 5120", "-c", "write -P 9 5M 3M", "-c", "write -z 10M 3M", "-c",
            "write -f -P 5 11M 4k", "-c", "flush"];
        Run(true, ["qemu-io", "-f", "raw", Uri(target), .. deeds, "-c", "discard 20M 1M"]);
        Run(true, ["qemu-io", "-f", "raw", File("raw"), .. deeds]);
        // What was discarded reads as zeros here.
        Run(true, "qemu-io", "-f", "raw", File("raw"), "-c", "write -z 20M 1M");
        Assert.Contains("identical", Run(true, "qemu-img", "compare", "-f", "raw", "-F", "raw", File("raw"),
            Uri(target)));
        byte[] now = await RepositoryFixture.RestoreAsync(point.Repository, point.Point);
        Assert.True(bytes.AsSpan().SequenceEqual(now));
        target.Dispose();
        disk.Dispose();
        point.Dispose();
    }

    [BlockClientFact]
    public async Task With_CHAP_only_who_knows_the_secret_logs_in()
    {
        (ServedPoint point, OverlayDisk disk, IscsiTarget target) = await ServeAsync(new byte[1 << 20],
            new ChapAccount("esx", Encoding.UTF8.GetBytes("correcthorse1")),
                ["iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-inq"]);
        Run(true, "iscsi-inq", Uri(target, "esx%correcthorse1@"));
        Run(false, "iscsi-inq", Uri(target, "esx%wronghorse12@"));
        Run(false, "iscsi-inq", Uri(target, "other%correcthorse1@"));
        Run(false, "iscsi-inq", Uri(target));
        // Of a name that is not listed.
        Run(false, "iscsi-inq", "-i", "iqn.2000-01.org.example:other", Uri(target, "esx%correcthorse1@"));
        target.Dispose();
        disk.Dispose();
        point.Dispose();
    }

    /// <summary>
    /// libiscsi's suite. What does not apply stands in a file with the reason: exactly that is passed over, or fails
    /// where the reason says so, and everything else passes.
    /// </summary>
    [BlockClientFact]
    public async Task The_conformance_suite_finds_nothing_wrong()
    {
        (ServedPoint point, OverlayDisk disk, IscsiTarget target) = await ServeAsync(RepositoryFixture.Disk(64 << 20,
            3));
        Dictionary<string, string> excused = System.IO.File.ReadAllLines(
            Path.Combine(AppContext.BaseDirectory, "servers", "block-clients", "not-applicable.txt"))
            .Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split(':', 2))
            .ToDictionary(l => l[0].Trim(), l => l[1].Trim());

        (_, string output, _) = Counterpart.BlockClients.Run(new Dictionary<string, string?>(), ["-c",
            "iscsi-test-cu --dataloss --allow-sanitize -V --test=SCSI \"$0\" 2>&1", Uri(target)]);

        (List<string> passed, List<string> passedOver, List<string> failed) = Parse(output);
        string[] mayFail = [.. excused.Where(e => e.Value.StartsWith("fails", StringComparison.Ordinal))
            .Select(e => e.Key)];
        IEnumerable<string> wrong = failed.Except(mayFail);
        Assert.True(!wrong.Any(), $"{string.Join(", ", wrong)}\n{output}");
        Assert.Equal(excused.Keys.Except(mayFail).Order(), passedOver.Order());
        Assert.Equal(132, passed.Count);
        target.Dispose();
        disk.Dispose();
        point.Dispose();
    }

    /// <summary>By suite and test. A test that says of all it does that it is skipped counts as passed over.</summary>
    private static (List<string> Passed, List<string> PassedOver, List<string> Failed) Parse(string output)
    {
        List<string> passed = [];
        List<string> passedOver = [];
        List<string> failed = [];
        string suite = "";
        foreach (string part in Regex.Split(output, @"(?m)^(?=Suite: |  Test: )"))
        {
            if (Regex.Match(part, @"^Suite: (\w+)") is { Success: true } named) suite = named.Groups[1].Value;
            if (Regex.Match(part, @"^  Test: (\S+)") is not { Success: true } test) continue;
            string name = $"{suite}.{test.Groups[1].Value}";
            if (part.Contains("\n    1. ", StringComparison.Ordinal)) failed.Add(name);
            else if (part.Contains("[SKIPPED]", StringComparison.Ordinal)) passedOver.Add(name);
            else if (part.Contains("passed", StringComparison.Ordinal)) passed.Add(name);
        }
        return (passed, passedOver, failed);
    }

    public void Dispose() => _folder.Dispose();
}
