using System.Security.Cryptography;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Format;

/// <summary>
/// The build that Windows PowerShell 5.1 loads, run by Mono, and the build that PowerShell 7 loads, run here, work in
/// one repository by turns. It shows that the netstandard2.0 code paths are right on a class library other than .NET's
/// own. It does not show that they are on the .NET Framework or on Windows: Mono is the nearest stand-in for it.
/// </summary>
[Trait("Category", "SecondRuntime")]
public sealed class MonoTests
{
    private static readonly string s_program = Path.Combine(AppContext.BaseDirectory, "mono",
        "Natalia.Backup.Engine.Mono.exe");

    /// <summary>
    /// The engine's own tests, against the other build. Those of whole repositories take minutes there (its cipher is
    /// managed code); by hand: <c>mono Natalia.Backup.Engine.Mono.exe test Repositories</c>.
    /// </summary>
    [MonoFact]
    public void The_tests_of_stores_disks_and_retention_pass()
    {
        (int code, string output, string errors) = Counterpart.Mono.Run(new Dictionary<string, string?>(), s_program,
            "test", ".Storage.", ".Disks.", ".Retention.");
        Assert.True(code == 0, $"exit code {code}: {errors}{output}");
        Assert.Matches(@"
[4-9]\d\d passed, 0 failed", output);
    }

    [MonoTheory]
    [InlineData(null)]
    [InlineData("zwölf Boxkämpfer")]
    public async Task Both_builds_work_in_one_repository_by_turns(string? password)
    {
        using var folder = new TemporaryFolder();
        string path = folder["repository"];
        var states = new List<byte[]> { Disk((9 << 20) + 4711, 1) };
        for (int i = 1; i < 5; i++) states.Add(Change(states[i - 1], 6, i));
        for (int i = 0; i < states.Count; i++) File.WriteAllBytes(folder[$"{i}.raw"], states[i]);

        MustRun("make", path, folder["0.raw"], folder["1.raw"]);
        await WithEngineAsync(async repository =>
        {
            await AssertAsync(repository, 2);
            await BackupAsync(repository, 2);
        });
        MustRun("add", path, folder["3.raw"]);
        AssertReads(4);
        await WithEngineAsync(async repository =>
        {
            await BackupAsync(repository, 4);
            await AssertAsync(repository, 5);
            IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
            // The bytes of one build are the other's: what did not change is found again, and not stored anew.
            Assert.All(points.Take(4), p => Assert.InRange(p.StoredBytes!.Value, 1, points[4].StoredBytes!.Value / 2));
            await repository.RemoveRestorePointAsync(points[4], "a test", default);
        });
        AssertReads(5, from: 1);

        void AssertReads(int count, int from = 0)
        {
            string[] lines = [.. MustRun("read", path).Split('\n').Where(l => l.Length > 0 && l[0] != '#')];
            Assert.Equal(states[from..count].Select(s => Convert.ToHexStringLower(SHA256.HashData(s))),
                lines.Select(l => l.Split(' ')[1]));
        }

        string MustRun(params string[] arguments)
        {
            (int code, string output,
                string errors) = Counterpart.Mono.Run(
                    new Dictionary<string, string?> { ["NATALIA_PASSWORD"] = password },
                [s_program, .. arguments]);
            Assert.True(code == 0, $"exit code {code}: {errors}{output}");
            Assert.StartsWith("# Mono ", output);
            Assert.Contains(".NETStandard,Version=v2.0", output);
            return output;
        }

        async Task WithEngineAsync(Func<Repository, Task> action)
        {
            using var fixture = new RepositoryFixture(FolderStore.Open(path, create: false)) { Password = password };
            using Repository repository = await fixture.OpenAsync();
            await action(repository);
        }

        Task BackupAsync(Repository repository, int state)
        {
            BackupRequest request = Request(new MemoryDiskSource(states[state]));
            ApplianceDescription appliance = Appliance with
            {
                ApplianceId = ApplianceIdentity.Create("Folder", "", "one"),
            };
            return repository.BackupAsync(request with
            {
                Appliance = appliance,
                Disks = [request.Disks[0] with { DiskId = "disk0" }],
            }, null, null, default);
        }

        async Task AssertAsync(Repository repository, int count)
        {
            IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
            Assert.Equal(count, points.Count);
            for (int i = 0; i < count; i++)
                Assert.Equal(states[count - 1 - i], await RestoreAsync(repository, points[i]));
            Assert.DoesNotContain(await CheckAsync(repository),
                r => r.Result is CheckOutcome.Failed or CheckOutcome.Warning);
        }
    }
}
