using System.Security;
using System.Security.Cryptography;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Mono;

/// <summary>
/// <c>make FOLDER STATE…</c> makes a repository and backs up one state of a disk (a raw file) after the other.
/// <c>add FOLDER STATE…</c> backs up into one that is there. <c>read FOLDER</c> checks everything, and prints <c>POINT
/// SHA256</c> for each point, oldest first. <c>test [CLASS…]</c> runs the engine's tests, or those of some classes. The
/// password is the environment variable NATALIA_PASSWORD; without it the repository is not encrypted.
/// </summary>
internal static class Program
{
    /// <summary>Tests of what Mono does in a way of its own.</summary>
    private static readonly Dictionary<string, string> s_notHere = new(StringComparer.Ordinal)
    {
        ["A_changed_image_is_found"] =
            "Mono does not let one process open a file for writing that it has open for reading",
        ["An_image_that_shrinks_under_the_reader_is_not_read_as_zeros"] = "as above",
        ["A_disk_holds_secrets_so_only_its_owner_may_read_the_image"] = "this build knows Windows' rights, not Unix's",
        ["Tells_how_much_was_to_be_written_and_how_much_a_full_disk_has_left"] =
            "Mono tells the room of the root for every folder",
    };

    private static async Task<int> Main(string[] arguments) => MonoExit.With(await RunAsync(arguments));

    private static async Task<int> RunAsync(string[] arguments)
    {
        Console.WriteLine($"# {(Type.GetType("Mono.Runtime") is null ? "not Mono" : "Mono")} {Environment.Version}, "
            + $"{typeof(Repository).Assembly.GetCustomAttributes(typeof(System.Runtime.Versioning.TargetFrameworkAttribute), false).Cast<System.Runtime.Versioning.TargetFrameworkAttribute>().Single().FrameworkName}");
        if (arguments.FirstOrDefault() == "test")
        {
            var run = new TestRun(Console.WriteLine,
                t => s_notHere.TryGetValue(t.Method.Name, out string? reason) ? reason : null);
            return run.Execute(typeof(Program).Assembly, [.. arguments.Skip(1)]) ? 0 : 1;
        }
        if (arguments.Length < 2) throw new ArgumentException("test; or make, add or read, and a folder");
        try
        {
            FolderStore store = FolderStore.Open(arguments[1], create: arguments[0] == "make");
            var options = new RepositoryOptions { Label = "mono", LockDirectory = null, Workers = 2 };
            using Repository repository = arguments[0] == "make"
                ? await Repository.CreateAsync(store, Password(), options, default)
                : await Repository.OpenAsync(store, Password(), options, default);
            if (arguments[0] == "read") return await ReadAsync(repository);
            foreach (string state in arguments.Skip(2)) await BackupAsync(repository, state);
            return 0;
        }
        catch (NataliaException error)
        {
            Console.Error.WriteLine($"{error.ErrorId}: {error}");
            return 1;
        }
    }

    private static RepositoryPassword? Password()
    {
        if (Environment.GetEnvironmentVariable("NATALIA_PASSWORD") is not string text) return null;
        var secure = new SecureString();
        foreach (char c in text) secure.AppendChar(c);
        return RepositoryPassword.From(secure);
    }

    private static async Task BackupAsync(Repository repository, string state)
    {
        using var disk = RawDiskSource.Open(state);
        var appliance = new ApplianceDescription
        {
            ApplianceId = ApplianceIdentity.Create("Folder", "", "one"),
            Name = "natalia-lyon",
            HypervisorKind = "Folder",
            Disks = [new ApplianceDisk("disk0", DiskRole.Data, null)],
        };
        var request = new BackupRequest
        {
            Appliance = appliance,
            Disks = [new BackupDisk("disk0", DiskRole.Data, disk)],
            TimeUtc = DateTime.UtcNow,
        };
        RestorePoint point = await repository.BackupAsync(request, null, null, default);
        Console.WriteLine($"{point.RestorePointId} made");
    }

    private static async Task<int> ReadAsync(Repository repository)
    {
        int failed = 0;
        await foreach (CheckResult result in repository.CheckAsync(full: true, null, default))
        {
            if (result.Result is not (CheckOutcome.Failed or CheckOutcome.Warning)) continue;
            Console.Error.WriteLine($"{result} {result.Target}: {result.Detail}");
            failed++;
        }
        string path = Path.GetTempFileName();
        foreach (RestorePoint point in (await repository.GetRestorePointsAsync(new RestorePointFilter(), null,
            default)).Reverse())
        {
            CheckResult verified = await repository.VerifyRestorePointAsync(point, null, default);
            if (verified.Result != CheckOutcome.Passed)
            {
                Console.Error.WriteLine($"{verified}: {verified.Detail}");
                failed++;
            }
            File.Delete(path);
            using (var target = new RawDiskTarget(path))
                await (await repository.OpenPointAsync(point, default)).ExportDiskAsync(null, target, null, default);
            using SHA256 sha = SHA256.Create();
            using FileStream file = File.OpenRead(path);
            Console.WriteLine($"{point.RestorePointId} "
                + $"{BitConverter.ToString(sha.ComputeHash(file)).Replace("-", "").ToLowerInvariant()}");
        }
        File.Delete(path);
        return failed == 0 ? 0 : 1;
    }
}
