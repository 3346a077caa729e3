using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Operations.Profiles;
using Natalia.Backup.Storage.S3;

namespace Natalia.Backup.Cmdlets.Tests.Profiles;

public sealed class ProfileFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-profile-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void What_is_written_is_read()
    {
        var profile = new ProfileDocument(
            [new FolderHypervisorSettings { Name = "vms", Path = Full("vms") }],
            [
                new FolderStoreSettings
                {
                    Name = "nås",
                    Path = Full("repo"),
                    Access = RepositoryAccess.Password,
                    PasswordSecret = "natalia/nås",
                },
                new FolderStoreSettings { Name = "open", Path = Full("open"), Access = RepositoryAccess.Unencrypted },
                new FolderStoreSettings { Name = "audit", Path = Full("repo"), Access = RepositoryAccess.AuditOnly },
            ]);

        ProfileDocument read = Read(Encoding.UTF8.GetString(ProfileFile.Write(profile)));

        Assert.Equal(profile.Hypervisors, read.Hypervisors);
        Assert.Equal(profile.Repositories, read.Repositories);
    }

    [Fact]
    public void Every_kind_is_written_so_that_a_person_can_read_and_change_it()
    {
        var profile = new ProfileDocument(
            [
                new ProxmoxSettings
                {
                    Name = "pve",
                    Hosts = ["pve1", "pve2:8007"],
                    Port = 8006,
                    Thumbprints = ["ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"],
                    CaCertificate = Full("ca.pem"),
                    CredentialSecret = "token",
                },
                new VSphereSettings
                {
                    Name = "vc",
                    Host = "vcenter",
                    CaCertificate = Full("vmca.pem"),
                    CredentialSecret = "user",
                },
            ],
            [
                new FolderStoreSettings
                {
                    Name = "nas",
                    Path = Full("repo"),
                    Access = RepositoryAccess.Password,
                    PasswordSecret = "natalia-nås",
                    CredentialSecret = "natalia-nås-share",
                },
                new BucketSettings
                {
                    Name = "s3", Bucket = "b", Endpoint = new Uri("https://s3.example.com"), Region = "r",
                    AddressingStyle = S3AddressingStyle.Virtual, Prefix = "p", StorageClass = "GLACIER",
                    ServerCertificateThumbprint = "CDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCD",
                    CredentialSecret = "key", Access = RepositoryAccess.Unencrypted,
                    LockMode = ObjectLockMode.Compliance,
                },
                new BucketSettings
                {
                    Name = "aws",
                    Bucket = "b",
                    AddressingStyle = S3AddressingStyle.Auto,
                    Access = RepositoryAccess.AuditOnly,
                },
                new ProxmoxStorageSettings
                {
                    Name = "pbs",
                    Path = "store",
                    Hypervisor = "pve",
                    EvidenceRepository = "nas",
                    Access = RepositoryAccess.Hypervisor,
                },
            ]);
        string text = Encoding.UTF8.GetString(ProfileFile.Write(profile));

        Assert.Equal(
            $$"""
            {
              "format": "natalia-profile",
              "version": 1,
              "hypervisors": [
                {
                  "name": "pve",
                  "kind": "Proxmox",
                  "hosts": [
                    "pve1",
                    "pve2:8007"
                  ],
                  "port": 8006,
                  "thumbprints": [
                    "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"
                  ],
                  "caCertificate": "{{InJson(Full("ca.pem"))}}",
                  "credentialSecret": "token"
                },
                {
                  "name": "vc",
                  "kind": "VMware",
                  "host": "vcenter",
                  "port": 443,
                  "thumbprints": [],
                  "caCertificate": "{{InJson(Full("vmca.pem"))}}",
                  "credentialSecret": "user"
                }
              ],
              "repositories": [
                {
                  "name": "nas",
                  "kind": "Folder",
                  "path": "{{InJson(Full("repo"))}}",
                  "credentialSecret": "natalia-nås-share",
                  "access": "Password",
                  "passwordSecret": "natalia-nås"
                },
                {
                  "name": "s3",
                  "kind": "S3",
                  "bucket": "b",
                  "endpoint": "https://s3.example.com",
                  "region": "r",
                  "addressingStyle": "Virtual",
                  "prefix": "p",
                  "storageClass": "GLACIER",
                  "serverCertificateThumbprint": "CDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCD",
                  "credentialSecret": "key",
                  "access": "Unencrypted"
                },
                {
                  "name": "aws",
                  "kind": "S3",
                  "bucket": "b",
                  "access": "AuditOnly"
                },
                {
                  "name": "pbs",
                  "kind": "Proxmox",
                  "path": "store",
                  "hypervisor": "pve",
                  "evidenceRepository": "nas",
                  "access": "Hypervisor"
                }
              ]
            }
            """, text.ReplaceLineEndings("\n"));
        Assert.Equal(text, Encoding.UTF8.GetString(ProfileFile.Write(Read(text))));
    }

    [Fact]
    public void What_is_null_counts_as_left_out() =>
        Assert.Empty(Assert.IsType<ProxmoxSettings>(Read(
            """{ "version": 1, "format": "natalia-profile", "repositories": null, "hypervisors": [ { "kind": "PROXMOX", "name": "a", "hosts": ["h"], "port": 1, "thumbprints": null, "caCertificate": null, "credentialSecret": "s" } ] }""").Hypervisors[0]).Thumbprints);

    [Fact]
    public void Two_buckets_of_one_name_on_two_servers_are_two_places()
    {
        var bucket = new BucketSettings
        {
            Name = "a",
            Bucket = "b",
            Prefix = "p/",
            Endpoint = new Uri("https://one.example.com"),
            Access = RepositoryAccess.Unencrypted,
        };

        Assert.True(bucket.LeadsTo(bucket with { Name = "other", Prefix = "p", Region = "r" }));
        Assert.False(bucket.LeadsTo(bucket with { Endpoint = new Uri("https://two.example.com") }));
        Assert.False(bucket.LeadsTo(bucket with { Access = RepositoryAccess.AuditOnly }));
    }

    [Fact]
    public void Relative_paths_count_from_the_profile() =>
        Assert.Equal(Full("vms"),
            Read("""{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "folder", "path": "vms" } ] }""").Hypervisors.Cast<FolderHypervisorSettings>()
                .Single().Path);

    [Fact]
    public void A_byte_order_mark_and_comments_do_no_harm() =>
        Assert.Single(Read("\uFEFF" + """
            { "format": "natalia-profile", /* mine */ "version": 1, // of this year
              "hypervisors": [ /* none of ours */ { "name": "a", /* exports */ "kind": "Folder", "path": "x", }, ], }
            """).Hypervisors);

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("[]", "not an object")]
    [InlineData("""{ "version": 1 }""", "format is missing")]
    [InlineData("""{ "format": "other", "version": 1 }""", "format is not")]
    [InlineData("""{ "format": "natalia-profile", "version": 2 }""", "version is 2")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "repositorys": [] }""", "'repositorys' is not known")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "repositories": {} }""", "repositories is not a list")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "kind": "Folder", "path": "x" } ] }""",
        "in hypervisors[0], name is missing")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "*", "kind": "Folder", "path": "x" } ] }""",
        "cannot be a session's name")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Fodler", "path": "x" } ] }""",
        "kind is 'Fodler'")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Folder", "path": "x" }, { "name": "A", "kind": "Folder", "path": "y" } ] }""",
        "in hypervisors, the name 'A' stands twice")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": "x", "access": "Password" } ] }""",
        "passwordSecret is missing")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": "x", "access": "AuditOnly", "passwordSecret": "y" } ] }""",
        "passwordSecret is given")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": "x", "access": "Password", "password": "y" } ] }""",
        "'password' is not known")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": 5, "access": "AuditOnly" } ] }""",
        "path is not a text")]
    [InlineData("""{ "format": "natalia-profile", "version": "1" }""", "in the profile, version is not a whole number")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "hypervisors": [ 5 ] }""",
        "hypervisors[0] is not an object")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Proxmox", "hosts": ["h"], "port": 8006, "credentialSecret": "s", "path": "x" } ] }""",
        "in hypervisors[0], 'path' is not known")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Proxmox", "hosts": "h", "port": 8006, "credentialSecret": "s" } ] }""",
        "hosts is not a list")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Proxmox", "hosts": ["h", ""], "port": 8006, "credentialSecret": "s" } ] }""",
        "hosts holds something that is not a text")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Proxmox", "hosts": [], "port": 8006, "credentialSecret": "s" } ] }""",
        "hosts is empty")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Proxmox", "hosts": ["h"], "credentialSecret": "s" } ] }""",
        "port is missing")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Proxmox", "hosts": ["h"], "port": 8006 } ] }""",
        "credentialSecret is missing")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": "x", "access": "Password, AuditOnly" } ] }""",
        "access is 'Password, AuditOnly', which is none of Password, Unencrypted, Hypervisor, AuditOnly")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": "x", "access": "3" } ] }""",
        "access is '3'")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": "x", "access": "Hypervisor" } ] }""",
        "access is Hypervisor")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "access": "Unencrypted", "bucket": "b" } ] }""",
        "'bucket' is not known")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "S3", "access": "Unencrypted", "bucket": "b", "endpoint": "s3.example.com" } ] }""",
        "endpoint is not an address")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Proxmox", "path": "x", "hypervisor": "h", "access": "Unencrypted" } ] }""",
        "access is Unencrypted")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Folder", "path": "a\u0000b" } ] }""",
        "in hypervisors[0], path holds a control character")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Folder", "path": "a\ud800b" } ] }""",
        "a text in it holds half a character")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "\ud800": 1 }""",
        "a text in it holds half a character")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Folder", "path": "" } ] }""",
        "in hypervisors[0], path is empty")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Proxmox", "hosts": ["h"], "port": 99999, "credentialSecret": "s" } ] }""",
        "in hypervisors[0], port is 99999")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "HyperV", "host": "h", "transport": "Dcom", "useSsl": true } ] }""",
        "useSsl and port are settings of the transport WSMan")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "HyperV", "host": "h", "transport": "Local", "credentialSecret": "s" } ] }""",
        "the transport Local takes no credential")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "HyperV", "host": "h", "transport": "Carrier" } ] }""",
        "transport is 'Carrier'")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "HyperV", "host": "h", "useSsl": "no" } ] }""",
        "useSsl is neither true nor false")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Folder", "path": "x", "path": "y" } ] }""",
        "in hypervisors[0], 'path' stands twice")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [], "repositories": [] }""",
        "in the profile, 'repositories' stands twice")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "S3", "access": "Unencrypted", "bucket": "b", "endpoint": "ftp://s3.example.com" } ] }""",
        "in repositories[0], endpoint begins with ftp:")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "S3", "access": "Unencrypted", "bucket": "b", "endpoint": "https://me:pw@s3.example.com" } ] }""",
        "endpoint names a user")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "S3", "access": "Unencrypted", "bucket": "b", "serverCertificateThumbprint": "AB:CD" } ] }""",
        "serverCertificateThumbprint is not 64 hexadecimal digits")]
    [InlineData(
        """{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Proxmox", "hosts": ["h"], "port": 8006, "credentialSecret": "s", "thumbprints": ["12"] } ] }""",
        "in hypervisors[0], thumbprints holds one that is not 64 hexadecimal digits")]
    public void What_cannot_be_meant_is_refused_with_the_place(string text, string why)
    {
        NataliaException error = Assert.Throws<NataliaException>(() => Read(text));

        Assert.Equal(ErrorIds.ProfileInvalid, error.ErrorId);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_encoding_is_told_as_that()
    {
        File.WriteAllBytes(Full("profile.json"),
            Encoding.Latin1.GetBytes("""{ "format": "natalia-profile", "version": 1, "hypervisors": [], "é": 1 }"""));
        NataliaException error = Assert.Throws<NataliaException>(() => ProfileFile.Read(Full("profile.json")));

        Assert.Equal(ErrorIds.ProfileInvalid, error.ErrorId);
        Assert.Contains("not UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_is_its_own_error() =>
        Assert.Equal(ErrorIds.ProfileNotFound,
            Assert.Throws<NataliaException>(() => ProfileFile.Read(Full("none.json"))).ErrorId);

    private string Full(string name) => Path.Combine(_folder.FullName, name);

    private static string InJson(string path) => path.Replace("\\", "\\\\", StringComparison.Ordinal);

    private ProfileDocument Read(string text)
    {
        File.WriteAllText(Full("profile.json"), text);
        return ProfileFile.Read(Full("profile.json"));
    }
}
