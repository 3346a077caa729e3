using System.Text;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Format;

/// <summary>
/// docs/audit.md says enough to write a verifier of logs: tools/escape-kit/verify_log.py, which shares nothing with the
/// product, finds what the product finds.
/// </summary>
public sealed class IndependentVerifierTests
{
    private static readonly string s_log = Layout.Log(Appliance.ApplianceId);

    [PythonFact]
    public async Task A_log_that_nobody_touched_is_intact_and_its_key_is_told()
    {
        using RepositoryFixture fixture = await MakeAsync();
        (int code, string output) = await RunAsync(fixture);
        Assert.Equal(0, code);
        using Repository repository = await fixture.OpenAsync();
        Assert.Contains("key " + repository.AuditKeyFingerprint, output, StringComparison.Ordinal);
        Assert.DoesNotContain("BROKEN", output, StringComparison.Ordinal);
        Assert.True(await IsIntactAsync(repository));
    }

    [PythonFact]
    public async Task Two_writers_at_once_make_a_fork_and_no_break()
    {
        using RepositoryFixture fixture = await MakeAsync();
        using (Repository repository = await fixture.OpenAsync())
        {
            byte[] seed = repository.Core.SigningSeed;
            AuditLog log = repository.Core.ApplianceLog(Appliance.ApplianceId);
            AuditLog.End end = await log.FindEndAsync(await log.ListAsync(default), default);
            foreach (string reason in new[] { "one", "two" })
                await log.AppendAsync(end, new AuditEntry("point-verified")
                {
                    ApplianceId = Appliance.ApplianceId,
                    Reason = reason,
                }, seed, default);
            Assert.Equal(0, (await RunAsync(fixture)).Code);
            await log.AppendAsync(new AuditEntry("point-verified") { ApplianceId = Appliance.ApplianceId }, seed,
                default);
            Assert.True(await IsIntactAsync(repository));
        }
        Assert.Equal(0, (await RunAsync(fixture)).Code);
    }

    [PythonTheory]
    [InlineData("edited")]
    [InlineData("edited with a mended checksum")]
    [InlineData("signed by another key")]
    [InlineData("removed from the middle")]
    [InlineData("put into another place")]
    [InlineData("put into another log")]
    [InlineData("copied under a new number")]
    [InlineData("copied under a new id")]
    [InlineData("cut behind what a point names")]
    [InlineData("the first one removed")]
    public async Task What_was_done_to_a_log_is_found_by_both(string what)
    {
        using RepositoryFixture fixture = await MakeAsync();
        List<string> names = await NamesAsync(fixture, s_log);
        string third = names[2];
        byte[] bytes = await fixture.Store.ReadAllAsync(third, default);
        switch (what)
        {
            case "edited":
                bytes[60] ^= 1;
                await ReplaceAsync(fixture, third, bytes);
                break;
            case "edited with a mended checksum":
                await ReplaceAsync(fixture, third, Edit(bytes, "\"actor\":\"", "\"actor\":\"x", null));
                break;
            case "signed by another key":
                await ReplaceAsync(fixture, third, Edit(bytes, "\"actor\":\"", "\"actor\":\"x", new byte[32]));
                break;
            case "removed from the middle":
                await fixture.Store.DeleteAsync(third, default);
                break;
            case "put into another place":
                await ReplaceAsync(fixture, third, await fixture.Store.ReadAllAsync(names[1], default));
                await ReplaceAsync(fixture, names[1], bytes);
                break;
            case "put into another log":
                await PutAsync(fixture, Layout.RepositoryLog + Layout.FileName(third), bytes);
                break;
            case "copied under a new number":
                await PutAsync(fixture, s_log + Layout.FileName(third).Replace("000000000003", "000000000099",
                    StringComparison.Ordinal), bytes);
                break;
            case "copied under a new id":
                var other = Id128.NewRandom();
                await PutAsync(fixture, third.Substring(0, third.Length - 32) + other,
                    Edit(bytes, "\"actor\":\"", "\"actor\":\"", null, other));
                break;
            case "cut behind what a point names":
                // The newest manifest names the record before its own run.
                foreach (string name in names.Skip(1)) await fixture.Store.DeleteAsync(name, default);
                break;
            default:
                await fixture.Store.DeleteAsync((await NamesAsync(fixture, Layout.RepositoryLog))[0], default);
                break;
        }
        (int code, string output) = await RunAsync(fixture);
        Assert.Equal(1, code);
        Assert.Contains("BROKEN", output, StringComparison.Ordinal);
        using Repository repository = await fixture.OpenAsync();
        Assert.False(await IsIntactAsync(repository));
    }

    [PythonFact]
    public async Task The_end_that_is_cut_off_is_found_by_a_hash_that_was_noted_elsewhere()
    {
        using RepositoryFixture fixture = await MakeAsync();
        List<string> names = await NamesAsync(fixture, s_log);
        string newest = names[names.Count - 1];
        byte[] bytes = await fixture.Store.ReadAllAsync(newest, default);
        string hash = Hash256.Of(SmallObject.Check(bytes, ObjectKind.AuditRecord).Header).ToString();
        Assert.Equal(0, (await RunAsync(fixture, hash.ToUpperInvariant())).Code);
        await fixture.Store.DeleteAsync(newest, default);
        // From inside it cannot be seen.
        Assert.Equal(0, (await RunAsync(fixture)).Code);
        (int code, string output) = await RunAsync(fixture, hash);
        Assert.Equal(1, code);
        Assert.Contains(hash, output, StringComparison.Ordinal);
        using Repository repository = await fixture.OpenAsync();
        Assert.False(await IsIntactAsync(repository, hash));
    }

    [PythonTheory]
    [InlineData(0)]
    [InlineData(300)]
    public async Task A_manifest_that_cannot_be_read_is_no_break_and_no_success(int length)
    {
        using RepositoryFixture fixture = await MakeAsync();
        string manifest = (await NamesAsync(fixture, Layout.Manifests(Appliance.ApplianceId)))[^1];
        byte[] bytes = await fixture.Store.ReadAllAsync(manifest, default);
        await ReplaceAsync(fixture, manifest, bytes[..length]);
        // It is the newest one that names the last records: with it, cutting them off cannot be seen any more.
        (int code, string output) = await RunAsync(fixture);
        Assert.Equal(2, code);
        Assert.Contains("UNREADABLE manifest " + Layout.FileName(manifest), output, StringComparison.Ordinal);
        Assert.DoesNotContain("BROKEN", output, StringComparison.Ordinal);
        using (Repository repository = await fixture.OpenAsync())
        {
            CheckResult told = Assert.Single(await repository.VerifyAuditAsync(new AuditExpectations(), default),
                r => r.Target == s_log);
            Assert.Equal((CheckOutcome.NotEvidenced, "unknown"), (told.Result, told.Actual));
            Assert.Contains(manifest, told.Detail, StringComparison.Ordinal);
        }
        await fixture.Store.DeleteAsync((await NamesAsync(fixture, s_log))[1], default);
        Assert.Equal(1, (await RunAsync(fixture)).Code);
    }

    [PythonFact]
    public async Task What_other_programs_leave_is_passed_over_and_a_pipe_is_not_waited_for()
    {
        using RepositoryFixture fixture = await MakeAsync();
        (int code, string output) = await RunAsync(fixture, folder =>
        {
            foreach (string room in Directory.GetDirectories(folder, "*", SearchOption.AllDirectories))
            {
                File.WriteAllText(Path.Combine(room, "Thumbs.db"), "thumbs");
                Directory.CreateDirectory(Path.Combine(room, "@eaDir"));
            }
        });
        Assert.Equal(0, code);
        Assert.DoesNotContain("eaDir", output, StringComparison.Ordinal);
        if (OperatingSystem.IsWindows()) return;
        string record = Path.Combine(s_log, Layout.FileName((await NamesAsync(fixture, s_log))[1]));
        (code, output) = await RunAsync(fixture, folder =>
        {
            File.Delete(Path.Combine(folder, record));
            Counterpart.Python.Run(new Dictionary<string, string?>(),
                ["-c", "import os, sys; os.mkfifo(sys.argv[1])", Path.Combine(folder, record)]);
        });
        Assert.Equal(1, code);
        Assert.Contains(Path.GetFileName(record) + ": it is no file", output, StringComparison.Ordinal);
    }

    /// <summary>
    /// Three points, the last one protected and verified afterwards, so that no manifest names the end.
    /// </summary>
    private static async Task<RepositoryFixture> MakeAsync()
    {
        var clock = new FakeTimeProvider(new DateTime(2026, 11, 23, 18, 0, 0, DateTimeKind.Utc));
        var fixture = new RepositoryFixture { Clock = clock, Password = "secret" };
        using Repository repository = await fixture.CreateAsync();
        RestorePoint? point = null;
        for (int i = 0; i < 3; i++)
        {
            clock.Advance(TimeSpan.FromHours(6));
            point = await BackupAsync(repository, Disk(200_000, i), time: clock.GetUtcNow().UtcDateTime);
        }
        await repository.SetProtectionAsync(point!, true, "an audit", default);
        await repository.VerifyRestorePointAsync(point!, null, default);
        return fixture;
    }

    private static async Task<bool> IsIntactAsync(Repository repository, params string[] heads) =>
        (await repository.VerifyAuditAsync(
            new AuditExpectations { Heads = [.. heads.Select(h => new ExpectedHead(h))] },
            default)).All(r => r.Result == CheckOutcome.Passed);

    private static Task<(int Code, string Output)> RunAsync(RepositoryFixture fixture, params string[] heads) =>
        RunAsync(fixture, _ => { }, heads);

    private static async Task<(int Code, string Output)> RunAsync(RepositoryFixture fixture, Action<string> change,
        params string[] heads)
    {
        using var folder = new TemporaryFolder();
        await foreach (StoredObject one in fixture.Store.ListAsync("", default))
        {
            string path = Path.Combine([folder.Path, .. one.Name.Split('/')]);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllBytesAsync(path, await fixture.Store.ReadAllAsync(one.Name, default));
        }
        change(folder.Path);
        (int code, string output, string errors) = Counterpart.Python.Run(new Dictionary<string, string?>
        {
            ["PYTHONIOENCODING"] = "utf-8",
        }, [Path.Combine(AppContext.BaseDirectory, "escape-kit", "verify_log.py"), folder.Path, .. heads]);
        Assert.Equal("", errors);
        return (code, output);
    }

    /// <summary>A record with another text, its length and checksum mended, and signed by a key or as it was.</summary>
    private static byte[] Edit(byte[] bytes, string old, string put, byte[]? seed, Id128? id = null)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.AuditRecord);
        byte[] header = Encoding.UTF8.GetBytes(
            Encoding.UTF8.GetString(envelope.Header).Replace(old, put, StringComparison.Ordinal));
        byte[] signature = seed is null
            ? SmallObject.OpenSegment(bytes, envelope, 0, ObjectKeys.None)
            : Signing.Sign(seed, [.. Encoding.ASCII.GetBytes("natalia audit record 1\n"), .. header]);
        return SmallObject.Encode(ObjectKind.AuditRecord, id ?? envelope.Id, header, [signature],
            ObjectKeys.None, compress: false).Bytes;
    }

    private static async Task<List<string>> NamesAsync(RepositoryFixture fixture, string prefix)
    {
        List<string> names = [];
        await foreach (StoredObject one in fixture.Store.ListAsync(prefix, default)) names.Add(one.Name);
        return names;
    }

    private static async Task ReplaceAsync(RepositoryFixture fixture, string name, byte[] bytes)
    {
        await fixture.Store.DeleteAsync(name, default);
        await PutAsync(fixture, name, bytes);
    }

    private static Task PutAsync(RepositoryFixture fixture, string name, byte[] bytes) =>
        fixture.Store.PutAsync(name, new ObjectContent(bytes), PutOptions.Metadata, default);
}
