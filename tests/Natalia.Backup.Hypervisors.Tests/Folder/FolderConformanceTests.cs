using System.Globalization;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Folder;

/// <summary>A folder of images whose changes an export program tells.</summary>
public sealed class FolderConformanceTests : HypervisorConformance
{
    protected override HypervisorFixture NewFixture() => new FolderFixture();

    private sealed class FolderFixture : HypervisorFixture
    {
        private readonly TemporaryFolder _root = new();
        private readonly Dictionary<string, List<(string Token, byte[] State)>> _exports = new(StringComparer.Ordinal);
        private int _tokens;

        internal FolderFixture()
        {
            File.WriteAllText(Path.Combine(_root.Path, "vm.json"), """
                {
                  "id": "vm-1", "name": "natalia-folder",
                  "disks": [
                    { "id": "data", "path": "data.raw", "role": "Data", "changes": "data.json" },
                    { "id": "system", "path": "system.raw", "role": "System", "changes": "system.json" }
                  ]
                }
                """);
            Replace("data", RepositoryFixture.Disk(1 << 20, 1));
            Replace("system", RepositoryFixture.Disk(300_000, 2));
        }

        public override string DataDisk => "data";

        public override string OtherDisk => "system";

        public override bool IsLive => false;

        // Windows refuses whoever would write or delete what somebody reads.
        public override bool HoldsWhatItReads => OperatingSystem.IsWindows();

        public override ApplianceDescription Vm
        {
            get
            {
                using IHypervisor hypervisor = Connect();
                return Assert.Single(hypervisor.GetAppliancesAsync(default).GetAwaiter().GetResult());
            }
        }

        public override IHypervisor Connect(CallFault? fault = null) => FolderHypervisor.Open(_root.Path);

        public override void Write(string diskId, long offset, byte[] bytes)
        {
            using (FileStream image = File.Open(Image(diskId), FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            {
                image.Position = offset;
                image.Write(bytes);
            }
            // A coarse clock could give two writes one time.
            File.SetLastWriteTimeUtc(Image(diskId), DateTime.UtcNow.AddSeconds(-1000 + _tokens++));
        }

        public override byte[] Content(string diskId) => File.ReadAllBytes(Image(diskId));

        public override void Detach(string diskId) => File.Delete(Image(diskId));

        public override void Replace(string diskId, byte[] bytes)
        {
            File.WriteAllBytes(Image(diskId), bytes);
            _exports[diskId] = [];
        }

        /// <summary>
        /// What an export program writes: the token of the state, and what changed since each earlier one.
        /// </summary>
        public override void BeforeFreeze()
        {
            foreach (string disk in new[] { DataDisk, OtherDisk })
            {
                if (!File.Exists(Image(disk))) continue;
                byte[] now = Content(disk);
                string since = string.Join(", ",
                    _exports[disk].Select(
                        e => $$"""{ "since": "{{e.Token}}", "extents": [{{Differences(e.State, now)}}] }"""));
                string token = $"export-{disk}-{Guid.NewGuid():N}";
                File.WriteAllText(Path.Combine(_root.Path, disk + ".json"), $$"""
                    { "token": "{{token}}", "imageLength": {{now.Length}}, "imageModifiedUtc": "{{File.GetLastWriteTimeUtc(Image(disk)):o}}", "changes": [{{since}}] }
                    """);
                _exports[disk].Add((token, now));
            }
        }

        private static string Differences(byte[] before, byte[] now)
        {
            var extents = new List<string>();
            for (int at = 0; at < now.Length; at += 4096)
            {
                int length = Math.Min(4096, now.Length - at);
                if (now.AsSpan(at, length).SequenceEqual(before.AsSpan(at, length))) continue;
                extents.Add(string.Format(CultureInfo.InvariantCulture, "[{0}, {1}]", at, length));
            }
            return string.Join(", ", extents);
        }

        private string Image(string diskId) => Path.Combine(_root.Path, diskId + ".raw");

        public override void Dispose() => _root.Dispose();
    }
}
