using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Format;

/// <summary>
/// Every field of what is stored, with every extreme value in its place: a reader finds damage, of that object alone,
/// and nothing that it did not foresee.
/// </summary>
public sealed class MutationTests
{
    private static readonly string[] s_extremes =
    [
        "0", "-1", "1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615",
        "4611686018427387904", "999999999999", "1000000000000", "2147483647", "2147483648", "1e400", "0.5",
        "null", "true", "[]", "{}", "[1]", "[{}]", "[null]", "\"\"", "\"x\"", "\"9999-12-31T23:59:59.9999999Z\"",
        "\"0001-01-01T00:00:00.0000000Z\"", "\"1970-01-01T00:00:00.0000000Z\"", "\"2099-01-01T00:00:00.0000000Z\"",
    ];

    /// <summary>The most telling of them, where each costs a whole repository.</summary>
    private static readonly string[] s_few =
        ["-1", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "1000000000000", "[1]", "{}",
            "\"x\"", "\"9999-12-31T23:59:59.9999999Z\"", "\"0001-01-01T00:00:00.0000000Z\""];

    private static string Id => RepositoryFixture.Appliance.ApplianceId;

    [Fact]
    public async Task A_manifest_with_a_forged_field_is_damage_of_its_point_alone()
    {
        using var fixture = new RepositoryFixture();
        using (Repository repository = await fixture.CreateAsync())
            for (int i = 0; i < 3; i++)
                await BackupAsync(repository, Disk(300_000, i),
                    time: new DateTime(2026, 11, 20 + i, 6, 0, 0, DateTimeKind.Utc));
        StoredObject[] names = [.. await fixture.Store.ListAllAsync(Layout.Manifests(Id), default)];
        foreach (StoredObject name in new[] { names[1], names[2] })
        {
            byte[] whole = await fixture.Store.ReadAllAsync(name.Name, default);
            Envelope envelope = SmallObject.Check(whole, ObjectKind.Manifest);
            byte[] body = SmallObject.OpenSegment(whole, envelope, 0, ObjectKeys.None);
            IEnumerable<(string What, byte[] Header, byte[] Body)> mutants = Mutations(envelope.Header, s_few)
                .Select(m => (m.What, m.Bytes, body))
                .Concat(Mutations(body, s_few).Select(m => (m.What, envelope.Header, m.Bytes)));
            // The newest one is read by everything; the others by fewer.
            foreach ((string what, byte[] header, byte[] changed) in name == names[2] ? mutants : mutants.Take(0))
            {
                byte[] forged = SmallObject.Encode(ObjectKind.Manifest, Id128.NewRandom(), header, [changed],
                    ObjectKeys.None).Bytes;
                await UseAsync(fixture, name.Name, forged, what);
            }
            // What most tries to add up: two disks that are too large together.
            JsonNode twice = JsonNode.Parse(body)!;
            var disks = (JsonArray)twice["disks"]!;
            disks[0]!["sizeBytes"] = long.MaxValue;
            JsonNode second = JsonNode.Parse(disks[0]!.ToJsonString())!;
            second["id"] = "scsi2";
            disks.Add(second);
            await UseAsync(fixture, name.Name,
                SmallObject.Encode(ObjectKind.Manifest, Id128.NewRandom(), envelope.Header,
                    [JsonSerializer.SerializeToUtf8Bytes(twice)], ObjectKeys.None).Bytes,
                "two disks of 2^63-1");
        }
    }

    /// <summary>Everything that reads manifests, over a repository in which one is forged.</summary>
    private static async Task UseAsync(RepositoryFixture fixture, string name, byte[] forged, string what)
    {
        using var store = new MemoryStore();
        foreach (StoredObject item in await fixture.Store.ListAllAsync("", default))
            await store.PutAsync(item.Name,
                new ObjectContent(item.Name == name ? forged : await fixture.Store.ReadAllAsync(item.Name, default)),
                PutOptions.Metadata, default);
        using var copy = new RepositoryFixture(store) { HasLockDirectory = false };
        try
        {
            using Repository repository = await copy.OpenAsync();
            IReadOnlyList<RestorePoint> points =
                await repository.GetRestorePointsAsync(new RestorePointFilter { IncludeUnreadable = true },
                _ => { }, _ => { }, default);
            Assert.InRange(points.Count(p => p.IsReadable), 2, 3);
            _ = points.Sum(p => p.StoredBytes ?? 0) + points.Sum(p => p.ReadBytes ?? 0);
            var policy = new RetentionPolicy
            {
                Last = 1,
                Daily = 7,
                Weekly = 4,
                Monthly = 3,
                Yearly = 2,
                TimeZoneId = "Europe/Paris",
            };
            IReadOnlyList<RetentionPoint> described = await repository.DescribeForRetentionAsync(points, default);
            foreach (RetentionPlanRow row in RetentionPlanner.Plan(described, policy,
                new DateTime(2026, 11, 29, 0, 0, 0, DateTimeKind.Utc)))
                _ = $"{row} {row.Week} {row.Year} {row.Reason}";
            LockEffect.Compute([.. described], policy, new ImmutabilityPolicy(30),
                new DateTime(2026, 11, 29, 0, 0, 0, DateTimeKind.Utc));
            foreach (RestorePoint point in points.Where(p => p.SizeBytes is null or < 1 << 20))
                await AsDamageAsync(() => repository.VerifyRestorePointAsync(point, null, default));
            foreach (RestorePoint point in points)
                await AsDamageAsync(
                    async () => await (await repository.OpenPointAsync(point, default)).GetConfigurationAsync(default));
            Assert.NotEmpty(await CheckAsync(repository, full: false));
            await repository.VerifyAuditAsync(new AuditExpectations(), default);
            await BackupAsync(repository, Disk(300_000, 7),
                time: new DateTime(2026, 11, 28, 0, 0, 0, DateTimeKind.Utc));
            await repository.ReclaimAsync(Id, TimeSpan.Zero, default);
            await AsDamageAsync(
                () => repository.RepairAsync(new RepairOptions { WhatIf = true }, (_, failure) => throw failure, null,
                    default));
        }
        catch (NataliaException limit) when (limit.ErrorId == ErrorIds.NumberExhausted)
        {
        }
        catch (Exception unforeseen) when (unforeseen is not NataliaException)
        {
            Assert.Fail($"{name} with {what}: {unforeseen}");
        }
    }

    [Fact]
    public void A_delta_with_a_forged_field_is_damage()
    {
        var run = new Run(7, Id128.NewRandom());
        var dead = new DeadList();
        dead.Add(PackArea.Data, new Run(3, Id128.NewRandom()), 1, 4, 9);
        byte[] whole = new RunDelta(Id, run, new Run(6, Id128.NewRandom()),
            [new PackInfo(PackArea.Data, 1, Id128.NewRandom(), 900, 5, Hash256.Of("x"u8))])
            .Encode(new Dictionary<string, DeadList> { ["scsi1"] = dead }, ObjectKeys.None).Bytes;
        Envelope envelope = SmallObject.Check(whole);
        byte[] list = SmallObject.OpenSegment(whole, envelope, 0, ObjectKeys.None);
        foreach ((string what, byte[] header) in Mutations(envelope.Header))
        {
            byte[] forged = SmallObject.Encode(ObjectKind.Delta, Id128.NewRandom(), header, [list],
                ObjectKeys.None).Bytes;
            AsDamage(what, () => _ = RunDelta.Decode(forged, Id, run).Packs.Sum(p => p.Bytes));
            AsDamage(what, () => RunDelta.DecodeDead(forged, ObjectKeys.None));
        }
        foreach (byte[] bytes in ByteMutations(list)) AsDamage("a dead list", () => new DeadList().Decode(bytes));
    }

    [Fact]
    public void A_node_with_forged_numbers_is_damage()
    {
        foreach (int level in new[] { 0, 1, 6 })
        {
            var node = new MapNode(level);
            for (int slot = 0; slot < 3; slot++)
                node.Set(slot * 60, new Reference(new Run(5, Id128.NewRandom()), 1, slot, Hash256.Of("x"u8)), 100);
            foreach (byte[] bytes in ByteMutations(node.Encode()))
                AsDamage("a node", () => _ = MapNode.Decode(bytes, level).TotalBlocks);
        }
        // A count of 2^64-1 below one slot, and of 2^63-1 below each of two.
        foreach (ulong blocks in new ulong[] { ulong.MaxValue, long.MaxValue, 1UL << 47 })
        {
            var bytes = new List<byte> { 1, 1, 2, 1 };
            bytes.AddRange(new byte[24]);
            for (byte slot = 0; slot < 2; slot++)
            {
                bytes.AddRange([slot, 0, 0, 0]);
                var number = new byte[Varint.MaximumLength];
                bytes.AddRange(number.Take(Varint.Write(number, blocks)));
                bytes.AddRange(new byte[32]);
            }
            Assert.Throws<FormatException>(() => MapNode.Decode(bytes.ToArray(), 1));
        }
    }

    [Fact]
    public async Task A_record_with_a_forged_field_has_no_effect_and_breaks_nothing()
    {
        using var fixture = new RepositoryFixture();
        byte[] seed;
        using (Repository repository = await fixture.CreateAsync())
        {
            await BackupAsync(repository, Disk(300_000, 1));
            RestorePoint second = await BackupAsync(repository, Disk(300_000, 2));
            await BackupAsync(repository, Disk(300_000, 3));
            await repository.SetProtectionAsync(second, true, "keep", default);
            await repository.SetRetentionPolicyAsync(Id, "natalia-paris", new RetentionPolicy { Last = 7 }, default);
            await DamageRecords.WriteAsync(repository.Core, Id, healed: false, leans: true, ["a"], [1], "test",
                default);
            seed = repository.Core.SigningSeed;
            foreach (StoredObject item in await fixture.Store.ListAllAsync(Layout.Log(Id), default))
            {
                byte[] whole = await fixture.Store.ReadAllAsync(item.Name, default);
                Envelope envelope = SmallObject.Check(whole, ObjectKind.AuditRecord);
                foreach ((string what, byte[] header) in Mutations(envelope.Header, s_few))
                {
                    byte[] signature = Signing.Sign(seed, [.. "natalia audit record 1\n"u8, .. header]);
                    byte[] forged = SmallObject.Encode(ObjectKind.AuditRecord, envelope.Id, header, [signature],
                        ObjectKeys.None, compress: false).Bytes;
                    using var store = new MemoryStore();
                    foreach (StoredObject other in await fixture.Store.ListAllAsync("", default))
                        await store.PutAsync(other.Name,
                            new ObjectContent(other.Name == item.Name
                                ? forged
                                : await fixture.Store.ReadAllAsync(other.Name, default)),
                            PutOptions.Metadata, default);
                    using var copy = new RepositoryFixture(store) { HasLockDirectory = false };
                    try
                    {
                        using Repository look = await copy.OpenAsync();
                        await look.GetRestorePointsAsync(new RestorePointFilter { IncludeUnreadable = true }, _ => { },
                            _ => { }, default);
                        await look.GetRetentionPoliciesAsync(default);
                        await look.GetAuditRecordsAsync(new AuditRecordFilter(), _ => { }, default);
                        await look.VerifyAuditAsync(new AuditExpectations(), default);
                        await DamageRecords.ReadAsync(look.Core, Id, default);
                    }
                    catch (Exception unforeseen) when (unforeseen is not NataliaException)
                    {
                        Assert.Fail($"{item.Name} with {what}: {unforeseen}");
                    }
                }
            }
        }
    }

    private static async Task AsDamageAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (NataliaException)
        {
        }
    }

    private static void AsDamage(string what, Action work)
    {
        try
        {
            work();
        }
        catch (FormatException)
        {
        }
        catch (Exception unforeseen)
        {
            Assert.Fail($"{what}: {unforeseen}");
        }
    }

    /// <summary>The text with each member, at any depth, replaced by each extreme value, and left out.</summary>
    private static IEnumerable<(string What, byte[] Bytes)> Mutations(byte[] json, string[]? extremes = null)
    {
        int members = Count(JsonNode.Parse(json)!);
        for (int i = 0; i < members; i++)
        {
            foreach (string? extreme in (extremes ?? s_extremes).Append(null))
            {
                JsonNode root = JsonNode.Parse(json)!;
                int left = i;
                string name = Replace(root, extreme, ref left)!;
                yield return ($"{name} = {extreme ?? "absent"}",
                    System.Text.Encoding.UTF8.GetBytes(root.ToJsonString().Replace("\"@", "").Replace("@\"", "")
                        .Replace("\\u0022", "\"")));
            }
        }
    }

    private static int Count(JsonNode node) => node switch
    {
        JsonObject members => members.Sum(m => 1 + (m.Value is null ? 0 : Count(m.Value))),
        JsonArray items => items.Sum(i => i is null ? 0 : Count(i)),
        _ => 0,
    };

    private static string? Replace(JsonNode node, string? extreme, ref int left)
    {
        if (node is JsonArray items)
        {
            foreach (JsonNode? item in items)
                if (item is not null && Replace(item, extreme, ref left) is string found) return found;
            return null;
        }
        if (node is not JsonObject members) return null;
        foreach (KeyValuePair<string, JsonNode?> member in members.ToList())
        {
            if (left-- == 0)
            {
                if (extreme is null) members.Remove(member.Key);
                else members[member.Key] = JsonValue.Create("@" + extreme + "@");
                return member.Key;
            }
            if (member.Value is not null && Replace(member.Value, extreme, ref left) is string found) return found;
        }
        return null;
    }

    /// <summary>
    /// The bytes cut off anywhere, and with 0, 127, 128 and 255 at every place, alone and eight in a row.
    /// </summary>
    private static IEnumerable<byte[]> ByteMutations(byte[] bytes)
    {
        for (int at = 0; at < bytes.Length; at++)
        {
            yield return bytes.AsSpan(0, at).ToArray();
            foreach (byte value in new byte[] { 0, 1, 127, 128, 255 })
            {
                foreach (int count in new[] { 1, 4, 8, 9 })
                {
                    byte[] changed = (byte[])bytes.Clone();
                    changed.AsSpan(at, Math.Min(count, bytes.Length - at)).Fill(value);
                    yield return changed;
                }
            }
        }
    }
}
