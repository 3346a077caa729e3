using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Profiles;

namespace Natalia.Backup.Cmdlets.Tests.Profiles;

public sealed class ProfileFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-profile-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void What_is_written_is_read()
    {
        var profile = new ProfileDocument(
            [new HypervisorSettings { Name = "vms", Kind = "Folder", Path = Full("vms") }],
            [
                new RepositorySettings { Name = "nås", Kind = "Folder", Path = Full("repo"), Access = RepositoryAccess.Password, PasswordSecret = "natalia/nås" },
                new RepositorySettings { Name = "open", Kind = "Folder", Path = Full("open"), Access = RepositoryAccess.Unencrypted },
                new RepositorySettings { Name = "audit", Kind = "Folder", Path = Full("repo"), Access = RepositoryAccess.AuditOnly },
            ]);

        ProfileDocument read = Read(Encoding.UTF8.GetString(ProfileFile.Write(profile)));

        Assert.Equal(profile.Hypervisors, read.Hypervisors);
        Assert.Equal(profile.Repositories, read.Repositories);
    }

    [Fact]
    public void Relative_paths_count_from_the_profile() =>
        Assert.Equal(Full("vms"), Read("""{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "folder", "path": "vms" } ] }""").Hypervisors[0].Path);

    [Fact]
    public void A_byte_order_mark_and_comments_do_no_harm() =>
        Assert.Empty(Read("\uFEFF" + """{ "format": "natalia-profile", /* mine */ "version": 1, }""").Repositories);

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("[]", "not an object")]
    [InlineData("""{ "version": 1 }""", "format is missing")]
    [InlineData("""{ "format": "other", "version": 1 }""", "format is not")]
    [InlineData("""{ "format": "natalia-profile", "version": 2 }""", "version is 2")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "repositorys": [] }""", "'repositorys' is not known")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "repositories": {} }""", "repositories is not a list")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "kind": "Folder", "path": "x" } ] }""", "in hypervisors[0], name is missing")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "*", "kind": "Folder", "path": "x" } ] }""", "cannot be a session's name")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Fodler", "path": "x" } ] }""", "kind is 'Fodler'")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "hypervisors": [ { "name": "a", "kind": "Folder", "path": "x" }, { "name": "A", "kind": "Folder", "path": "y" } ] }""", "'A' stands in it twice")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": "x", "access": "Password" } ] }""", "passwordSecret is missing")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": "x", "access": "AuditOnly", "passwordSecret": "y" } ] }""", "passwordSecret is given")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": "x", "access": "Password", "password": "y" } ] }""", "'password' is not known")]
    [InlineData("""{ "format": "natalia-profile", "version": 1, "repositories": [ { "name": "a", "kind": "Folder", "path": 5, "access": "AuditOnly" } ] }""", "path is not a text")]
    public void What_cannot_be_meant_is_refused_with_the_place(string text, string why)
    {
        var error = Assert.Throws<NataliaException>(() => Read(text));

        Assert.Equal(ErrorIds.ProfileInvalid, error.ErrorId);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_is_its_own_error() =>
        Assert.Equal(ErrorIds.ProfileNotFound, Assert.Throws<NataliaException>(() => ProfileFile.Read(Full("none.json"))).ErrorId);

    private string Full(string name) => Path.Combine(_folder.FullName, name);

    private ProfileDocument Read(string text)
    {
        File.WriteAllText(Full("profile.json"), text);
        return ProfileFile.Read(Full("profile.json"));
    }
}
