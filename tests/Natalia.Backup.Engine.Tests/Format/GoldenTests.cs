using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Format;

/// <summary>
/// What was written once is readable for ever: tests/golden holds repositories that earlier versions wrote. See
/// tests/golden/README.md.
/// </summary>
public sealed class GoldenTests
{
    private const string Password = "natalia golden repository";

    public static TheoryData<string> Repositories =>
        [.. Directory.GetDirectories(Golden).Order(StringComparer.Ordinal).SelectMany(format =>
        Expected(format).Select(r => $"{Path.GetFileName(format)}/{r.Folder}"))];

    private static string Golden => Path.Combine(AppContext.BaseDirectory, "golden");

    [Theory]
    [MemberData(nameof(Repositories))]
    public async Task Every_point_of_a_golden_repository_restores(string name)
    {
        using var folder = new TemporaryFolder();
        await CheckAsync(CopyOf(name, folder), Get(name));
    }

    [PythonTheory]
    [MemberData(nameof(Repositories))]
    public void Every_point_of_a_golden_repository_restores_with_the_escape_kit(string name)
    {
        using var folder = new TemporaryFolder();
        string path = CopyOf(name, folder);
        GoldenRepository golden = Get(name);
        Assert.Equal(golden.Points.Select(p => p.Point).Order(),
            EscapeKit.List(path, golden.Password).Select(p => p.GetProperty("point").GetString()!).Order());
        foreach (GoldenPoint point in golden.Points)
        {
            foreach ((string disk, string hash) in point.Disks)
                Assert.Equal(hash, GoldenMaker.Sha256(EscapeKit.Restore(path, golden.Password, point.Point, disk)));
        }
        EscapeKit.MustRun(golden.Password, "check", path, "--data");
    }

    /// <summary>
    /// What today's engine writes meets what the golden ones must; where NATALIA_WRITE_GOLDEN names a folder, it is
    /// written there.
    /// </summary>
    [Fact]
    public async Task A_repository_made_today_passes_as_golden()
    {
        using var folder = new TemporaryFolder();
        string place = Environment.GetEnvironmentVariable("NATALIA_WRITE_GOLDEN") is { Length: > 0 } wanted
            ? wanted
            : folder["format"];
        if (Directory.Exists(place))
            throw new InvalidOperationException($"'{place}' is there already: a golden repository is never changed. "
                + "Remove it first if its format was never released.");
        var made = new List<GoldenRepository>();
        foreach (string? password in new[] { Password, null })
        {
            string name = password is null ? "unencrypted" : "encrypted";
            made.Add(new GoldenRepository(name, password,
                await GoldenMaker.MakeAsync(Path.Combine(place, name), password)));
        }
        long size = Directory.GetFiles(place, "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length);
        Assert.InRange(size, 1, 300_000);
        string expected = GoldenRepository.Encode(made);
        File.WriteAllText(Path.Combine(place, "expected.json"), expected);
        foreach (GoldenRepository golden in GoldenRepository.Decode(expected))
        {
            using var copy = new TemporaryFolder();
            Copy(Path.Combine(place, golden.Folder), copy["repository"]);
            await CheckAsync(copy["repository"], golden);
        }
    }

    private static async Task CheckAsync(string path, GoldenRepository golden)
    {
        using var fixture = new RepositoryFixture(FolderStore.Open(path, create: false)) { Password = golden.Password };
        using Repository repository = await fixture.OpenAsync();
        Assert.DoesNotContain(await RepositoryFixture.CheckAsync(repository),
            r => r.Result is CheckOutcome.Failed or CheckOutcome.Warning);
        IReadOnlyList<RestorePoint> points = [.. (await PointsAsync(repository)).OrderBy(p => p.Sequence)];
        Assert.Equal(golden.Points.Select(p => (p.Point, p.Sequence, p.TimeUtc, p.Type, p.IsProtected)),
            points.Select(p => (p.RestorePointId, p.Sequence!.Value, p.TimeUtc, p.Type, p.IsProtected)));
        await AssertRestoresAsync(repository, golden, points);
        Assert.Equal("scsi1", Assert.Single(await repository.GetApplianceSettingsAsync(default)).DataDiskId);
        Assert.Equal(7, Assert.Single(await repository.GetRetentionPoliciesAsync(default)).Policy.Daily);
        Assert.Equal("natalia-paris",
            (await (await repository.OpenPointAsync(points[^1], default)).GetConfigurationAsync(default)).Name);

        // It is not only read: it goes on, and what it held stays.
        byte[] next = Disk(9 << 20, 1);
        RestorePoint added = await BackupAsync(repository, next);
        Assert.True(added.Sequence > points[^1].Sequence);
        Assert.Equal(next, await RestoreAsync(repository, added));
        Assert.Single(points, p => p.IsProtected);
        await repository.RemoveRestorePointAsync(points[0], "a test", default);
        await repository.ReclaimAsync(added.ApplianceId, TimeSpan.Zero, default);
        await AssertRestoresAsync(repository, golden, [.. points.Skip(1)]);
        Assert.DoesNotContain(await RepositoryFixture.CheckAsync(repository),
            r => r.Result is CheckOutcome.Failed or CheckOutcome.Warning);
    }

    private static async Task AssertRestoresAsync(Repository repository, GoldenRepository golden,
        IReadOnlyList<RestorePoint> points)
    {
        foreach (RestorePoint point in points)
        {
            GoldenPoint wanted = golden.Points.Single(p => p.Point == point.RestorePointId);
            Assert.Equal(wanted.Disks.Keys.Order(), point.Disks.Select(d => d.DiskId).Order());
            foreach ((string disk, string hash) in wanted.Disks)
                Assert.Equal(hash, GoldenMaker.Sha256(await RestoreAsync(repository, point, disk)));
            CheckResult verified = await repository.VerifyRestorePointAsync(point, null, default);
            Assert.True(verified.Result == CheckOutcome.Passed, verified.Detail);
        }
    }

    private static IReadOnlyList<GoldenRepository> Expected(string format) =>
        GoldenRepository.Decode(File.ReadAllText(Path.Combine(format, "expected.json")));

    private static GoldenRepository Get(string name) =>
        Expected(Path.Combine(Golden, Path.GetDirectoryName(name)!)).Single(r => r.Folder == Path.GetFileName(name));

    private static string CopyOf(string name, TemporaryFolder folder)
    {
        Copy(Path.Combine(Golden, name), folder["repository"]);
        return folder["repository"];
    }

    private static void Copy(string from, string to)
    {
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }
}
