using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Tests.Copy;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Format;

/// <summary>
/// The reader that was written from docs/format.md alone reads what the engine writes: the document says enough, and
/// tells the truth.
/// </summary>
public sealed class EscapeKitTests
{
    private const string Secret = "zwölf Boxkämpfer";

    [PythonTheory]
    [InlineData(null)]
    [InlineData(Secret)]
    public async Task Every_point_that_the_engine_makes_restores_without_it(string? password)
    {
        using var folder = new TemporaryFolder();
        using var fixture = new RepositoryFixture(FolderStore.Open(folder["repository"],
            create: true))
        { Password = password, CheckpointBytes = 1 };
        var expected = new Dictionary<(string Point, string Disk), byte[]>();
        using (Repository repository = await fixture.CreateAsync())
        {
            byte[] data = Disk((20 << 20) + 4711, 1), system = Disk(3 << 20, 2), empty = new byte[70_000];
            RestorePoint removed = await BackupAsync(repository, data);
            var states = new Dictionary<string, byte[]> { ["t1"] = data };
            Keep(await MakeAsync(repository, data, system, "t1", states), data, system);
            byte[] data2 = Change(data, 20, 3), system2 = Change(system, 3, 4);
            states["t2"] = data2;
            Keep(await MakeAsync(repository, data2, system2, "t2", states), data2, system2);
            byte[] data3 = Change(data2, 4, 5);
            RestorePoint incremental = await MakeAsync(repository, data3, system2, "t3", states);
            Assert.Equal(BackupType.Incremental, incremental.Type);
            Keep(incremental, data3, system2);
            // Grown to another level of the map, shrunk, all zeros, and nothing at all.
            foreach (byte[] state in new[] { Change(data3, 2, 6).AsSpan(0, 9_000_001).ToArray(), empty, [] })
                Keep(await BackupAsync(repository, state), state, null);
            await repository.RemoveRestorePointAsync(removed, "a test", default);
            // A first full of another appliance that dies leaves checkpoints, which are no points.
            var dying = new MemoryDiskSource(Disk(40 << 20, 7))
            {
                OnRead = (offset, _) =>
            {
                if (offset >= 20 << 20) throw new IOException("The disk has gone.");
            }
            };
            ApplianceDescription other = Appliance with { ApplianceId = ApplianceIdentity.Create("Folder", "", "2") };
            await Assert.ThrowsAnyAsync<Exception>(
                () => repository.BackupAsync(Request(dying) with { Appliance = other }, null, null, default));
            Assert.NotEmpty(
                Directory.GetFiles(Path.Combine(folder["repository"], "appliances", other.ApplianceId, "points")));

            // Evidence about another repository is passed over, whatever it says.
            await repository.RecordNativeAsync(new NativeRecord
            {
                Event = NativeEvent.PointRemoved,
                ApplianceId = Appliance.ApplianceId,
                ApplianceName = "x",
                RepositoryId = repository.RepositoryId,
                RepositoryKind = "Proxmox",
                Location = "x",
                RestorePointId = expected.Keys.First().Point,
            }, default);
            Assert.Contains(removed.RestorePointId,
                EscapeKit.List(folder["repository"], password, "--removed")
                    .Select(p => p.GetProperty("point").GetString()));
            Assert.Equal(data, EscapeKit.Restore(folder["repository"], password, removed.RestorePointId, "scsi1"));
        }

        IReadOnlyList<JsonElement> listed = EscapeKit.List(folder["repository"], password);
        Assert.Equal(expected.Keys.Select(k => k.Point).Distinct().Order(),
            listed.Select(p => p.GetProperty("point").GetString()!).Order());
        Assert.All(listed, p => Assert.Equal(Appliance.Name, p.GetProperty("name").GetString()));
        foreach (((string point, string disk), byte[] bytes) in expected)
            Assert.True(bytes.AsSpan()
                .SequenceEqual(EscapeKit.Restore(folder["repository"], password, point[..8], disk)),
                $"{disk} of {point}");
        Assert.Empty(EscapeKit.Restore(folder["repository"], password, "latest", "Data"));
        EscapeKit.MustRun(null, "check", folder["repository"]);
        EscapeKit.MustRun(password, "check", folder["repository"], "--data");
        Assert.Contains("\"voice\"", EscapeKit.MustRun(password, "configuration", folder["repository"], "latest"));

        void Keep(RestorePoint point, byte[] data, byte[]? system)
        {
            expected[(point.RestorePointId, "scsi1")] = data;
            if (system is not null) expected[(point.RestorePointId, "scsi0")] = system;
        }
    }

    [PythonFact]
    public async Task Another_password_a_changed_settings_file_and_an_existing_file_are_refused()
    {
        using var folder = new TemporaryFolder();
        await MakeSmallAsync(folder["repository"]);
        Assert.Contains("password is wrong", Refused(2, "another password", "list", folder["repository"]));
        Assert.Contains("No password", Refused(2, "", "list", folder["repository"]));
        File.WriteAllText(folder["disk.raw"], "precious");
        Assert.Contains("not overwritten",
            Refused(2, Secret, "restore", folder["repository"], "latest", "Data", folder["disk.raw"]));
        Assert.Equal("precious", File.ReadAllText(folder["disk.raw"]));
        Assert.Contains("no repository", Refused(2, Secret, "list", folder.Path));
        Assert.Contains("has no disk",
            Refused(2, Secret, "restore", folder["repository"], "latest", "scsi7", folder["other.raw"]));
        // In the clear, as somebody would write it who wants the next backup to be readable.
        string settings = Path.Combine(folder["repository"], "natalia.json"),
            text = File.ReadAllText(settings).Replace("aes-256-gcm", "none");
        text = text[..text.IndexOf(",\"sha256\":\"", StringComparison.Ordinal)];
        File.WriteAllText(settings,
            $"{text},\"sha256\":\"{Engine.Format.Hash256.Of(System.Text.Encoding.UTF8.GetBytes(text))}\"}}\n");
        (int code, string output, string errors) = EscapeKit.Run(Secret, "list", folder["repository"]);
        Assert.NotEqual(0, code);
        Assert.Contains("encrypted", errors + output);
    }

    [PythonFact]
    public async Task Damage_is_named_and_a_disk_with_a_hole_only_on_demand()
    {
        using var folder = new TemporaryFolder();
        byte[] disk = await MakeSmallAsync(folder["repository"]);
        string pack = Assert.Single(Directory.GetFiles(folder["repository"], "*", SearchOption.AllDirectories),
            p => p.Contains($"{Path.DirectorySeparatorChar}data{Path.DirectorySeparatorChar}"));
        byte[] bytes = File.ReadAllBytes(pack);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(pack, bytes);
        Assert.Contains("checksum", Refused(1, null, "check", folder["repository"]));
        Assert.Contains("cannot be restored whole",
            Refused(1, Secret, "restore", folder["repository"], "latest", "Data", folder["disk.raw"]));
        Assert.False(File.Exists(folder["disk.raw"]));
        File.Delete(folder["disk.raw.unfinished"]);
        Assert.Contains("lost: offset",
            Refused(1, Secret, "restore", folder["repository"], "latest", "Data", folder["disk.raw"], "--keep-going"));
        byte[] saved = File.ReadAllBytes(folder["disk.raw"]);
        Assert.Equal(disk.Length, saved.Length);
        int[] different = [.. Enumerable.Range(0, (disk.Length + 65535) / 65536)
            .Where(b => !Block(disk, b).SequenceEqual(Block(saved, b)))];
        Assert.All(Block(saved, Assert.Single(different)).ToArray(), b => Assert.Equal(0, b));

        static ReadOnlySpan<byte> Block(byte[] disk, int number) =>
            disk.AsSpan(number * 65536, Math.Min(65536, disk.Length - number * 65536));
    }

    [PythonFact]
    public async Task A_rewritten_pack_is_found_and_a_cut_log_is_reported()
    {
        using var folder = new TemporaryFolder();
        byte[] disk = await MakeSmallAsync(folder["repository"]);
        foreach (string area in new[] { "data", "meta" })
        {
            foreach (string pack in Directory.GetFiles(folder["repository"], "00000???", SearchOption.AllDirectories)
                .Where(p => p.Contains($"{Path.DirectorySeparatorChar}{area}{Path.DirectorySeparatorChar}")))
                File.Move(pack, pack + ".r2");
        }
        Assert.Equal(disk, EscapeKit.Restore(folder["repository"], Secret, "latest", "Data"));
        EscapeKit.MustRun(null, "check", folder["repository"]);
        string first = Directory.GetFiles(folder["repository"], "*.point-made.*", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal).First();
        File.Delete(first);
        Assert.Contains("missing or damaged", Refused(1, null, "check", folder["repository"]));
    }

    [PythonFact]
    public async Task The_newest_point_is_the_newest_state_and_not_what_was_copied_last()
    {
        using var folder = new TemporaryFolder();
        using var from = new RepositoryFixture();
        using var to = new RepositoryFixture(FolderStore.Open(folder["repository"], create: true))
        {
            Password = Secret,
        };
        DateTime now = DateTime.UtcNow;
        var disks = new List<byte[]>();
        using (Repository source = await from.CreateAsync(), destination = await to.CreateAsync())
        {
            for (int i = 0; i < 3; i++)
            {
                disks.Add(Disk(300_000, i));
                await BackupAsync(source, disks[i], time: now.AddDays(i - 4));
            }
            RestorePoint[] points = [.. (await PointsAsync(source)).Reverse()];
            await new PointCopier(source, destination, null).CopyAsync(points[2], false, null, default);
            await CopySteps.CopyAllAsync(source, destination);
        }
        Assert.Equal(disks[2], EscapeKit.Restore(folder["repository"], Secret, "latest", "Data"));
        Assert.Equal([1, 3, 2],
            EscapeKit.List(folder["repository"], Secret).Select(p => p.GetProperty("sequence").GetInt32()));
        // A clock that was wrong once does not make the newest point of all time.
        using (Repository repository = await to.OpenAsync())
            await BackupAsync(repository, Disk(300_000, 9), time: now.AddYears(2));
        Assert.Equal(disks[2], EscapeKit.Restore(folder["repository"], Secret, "latest", "Data"));
    }

    [PythonTheory]
    [InlineData(8)]
    [InlineData(11)]
    public async Task A_changed_byte_at_the_beginning_of_an_object_is_damage_of_that_one_alone(int at)
    {
        using var folder = new TemporaryFolder();
        byte[] disk = await MakeSmallAsync(folder["repository"]);
        string room = Path.Combine(folder["repository"], "appliances", Appliance.ApplianceId);
        foreach (string name in new[]
        {
            Directory.GetFiles(Path.Combine(room, "log"), "*.point-made.*").Order(StringComparer.Ordinal).First(),
            Directory.GetFiles(Path.Combine(room, "points")).Order(StringComparer.Ordinal).First(),
        })
        {
            byte[] bytes = File.ReadAllBytes(name);
            bytes[at] ^= 4;
            File.WriteAllBytes(name, bytes);
            Assert.Contains(Path.GetFileName(name), Refused(1, Secret, "list", folder["repository"]));
        }
        Assert.Equal(2, Refused(1, null, "check", folder["repository"]).Split('\n')
            .Count(l => l.Contains(at == 8 ? "envelope version 5" : "is sealed with cipher")));
        Refused(1, Secret, "restore", folder["repository"], "latest", "Data", folder["disk.raw"]);
        Assert.Equal(disk, File.ReadAllBytes(folder["disk.raw"]));
    }

    [PythonFact]
    public async Task What_other_programs_leave_in_the_folder_is_passed_over()
    {
        using var folder = new TemporaryFolder();
        byte[] disk = await MakeSmallAsync(folder["repository"]);
        foreach (string room in Directory.GetDirectories(folder["repository"], "*", SearchOption.AllDirectories)
            .Append(folder["repository"]))
        {
            File.WriteAllText(Path.Combine(room, "Thumbs.db"), "thumbs");
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(room, "@eaDir")).FullName,
                "x@SynoEAStream"), "x");
        }
        Directory.CreateDirectory(Path.Combine(folder["repository"], "appliances", "lost"));
        Assert.Equal(2, EscapeKit.List(folder["repository"], Secret).Count);
        EscapeKit.MustRun(Secret, "check", folder["repository"], "--data");
        Assert.Equal(disk, EscapeKit.Restore(folder["repository"], Secret, "latest", "Data"));
    }

    private static string Refused(int code, string? password, params string[] arguments)
    {
        (int actual, string output, string errors) = EscapeKit.Run(password, arguments);
        Assert.True(code == actual, $"exit code {actual}: {errors}{output}");
        Assert.DoesNotContain("Traceback", errors);
        return errors;
    }

    /// <summary>An encrypted repository with two points of one disk.</summary>
    private static async Task<byte[]> MakeSmallAsync(string path)
    {
        using var fixture = new RepositoryFixture(FolderStore.Open(path, create: true)) { Password = Secret };
        byte[] disk = Disk(2 << 20, 1);
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, disk);
        await BackupAsync(repository, disk);
        return disk;
    }

    private static Task<RestorePoint> MakeAsync(Repository repository, byte[] data, byte[] system, string token,
        Dictionary<string, byte[]> states)
    {
        BackupRequest request = Request(new TrackedMemoryDiskSource(data, token, states));
        return repository.BackupAsync(request with
        {
            Disks = [new BackupDisk("scsi0", DiskRole.System,
                new TrackedMemoryDiskSource(system, token, new Dictionary<string, byte[]> { ["t2"] = system })),
                .. request.Disks],
        }, null, null, default);
    }
}
