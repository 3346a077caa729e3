using System.Globalization;
using System.Net;
using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Reading;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>Folders and files of datastores, as they are made and removed.</summary>
/// <param name="vim">The session.</param>
internal sealed class DatastoreFiles(IVimService vim)
{
    private static readonly TimeSpan s_removalLimit = TimeSpan.FromMinutes(10);

    internal IVimService Vim => vim;

    /// <summary>Makes a folder; an upload does not.</summary>
    internal async Task MakeFolderAsync(Site site, string folder, CancellationToken cancellationToken) =>
        await vim.CallAsync(vim.Singleton("fileManager"), "MakeDirectory",
            [
                VimXml.Element("name", folder),
                DatacenterOf(site.Datacenter),
                VimXml.Element("createParentDirectories", false),
            ], cancellationToken).ConfigureAwait(false);

    /// <summary>Removes a folder or file; what is not there is no error.</summary>
    internal async Task RemoveAsync(VimReference datacenter, string name, CancellationToken cancellationToken)
    {
        try
        {
            await vim.RunTaskAsync(vim.Singleton("fileManager"), "DeleteDatastoreFile_Task",
                [VimXml.Element("name", name), DatacenterOf(datacenter)],
                new VimTaskOptions(s_removalLimit, $"the removal of '{name}'"),
                cancellationToken).ConfigureAwait(false);
        }
        catch (VimFaultException e) when (e.Is("FileNotFound"))
        {
            // Gone already.
        }
    }

    /// <summary>Writes a small file.</summary>
    internal Task WriteAsync(Site site, DatastorePath path, string text, CancellationToken cancellationToken) =>
        WriteAsync(site, path, Encoding.UTF8.GetBytes(text), cancellationToken);

    /// <summary>Writes a small file.</summary>
    internal async Task WriteAsync(Site site, DatastorePath path, byte[] bytes, CancellationToken cancellationToken)
    {
        using HttpResponseMessage answer = await vim.SendAsync(() => new HttpRequestMessage(HttpMethod.Put,
            path.AddressAt(vim.BaseUri, site.DatacenterPath))
        { Content = new ByteArrayContent(bytes) }, cancellationToken).ConfigureAwait(false);
        Require(answer, path);
    }

    /// <summary>A flat file's descriptor, as VMFS has it.</summary>
    internal static string Descriptor(string flatName, long sizeBytes)
    {
        const int heads = 255, sectorsOfTrack = 63, sector = 512;
        long sectors = sizeBytes / sector;
        long cylinders = Math.Max(1, sectors / (heads * sectorsOfTrack));
        return string.Join("\n",
            "# Disk DescriptorFile",
            "version=1",
            "encoding=\"UTF-8\"",
            "CID=fffffffe",
            "parentCID=ffffffff",
            "createType=\"vmfs\"",
            "",
            "# Extent description",
            string.Format(CultureInfo.InvariantCulture, "RW {0} VMFS \"{1}\"", sectors, flatName),
            "",
            "# The Disk Data Base",
            "#DDB",
            "",
            "ddb.adapterType = \"lsilogic\"",
            string.Format(CultureInfo.InvariantCulture, "ddb.geometry.cylinders = \"{0}\"", cylinders),
            string.Format(CultureInfo.InvariantCulture, "ddb.geometry.heads = \"{0}\"", heads),
            string.Format(CultureInfo.InvariantCulture, "ddb.geometry.sectors = \"{0}\"", sectorsOfTrack),
            "ddb.virtualHWVersion = \"13\"",
            "");
    }

    /// <exception cref="NataliaException"><c>DestinationFull</c>, <c>PermissionDenied</c>,
    /// <c>DestinationWriteFailed</c>.</exception>
    internal static void Require(HttpResponseMessage answer, DatastorePath path)
    {
        int status = (int)answer.StatusCode;
        if (status is >= 200 and < 300) return;
        throw answer.StatusCode switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new NataliaException(ErrorIds.PermissionDenied,
                NataliaErrorKind.PermissionDenied, $"'{path}' may not be written ({status}).", path.ToString(),
                "Give the user the privileges Datastore.FileManagement and Datastore.AllocateSpace on the datastore."),
            (HttpStatusCode)507 => new NataliaException(ErrorIds.DestinationFull, NataliaErrorKind.ResourceUnavailable,
                $"The datastore '{path.Datastore}' has no room for '{path}'.", path.ToString(),
                "Make room, or name another datastore with -Storage."),
            _ => new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
                $"'{path}' could not be written: the server answered {status}.", path.ToString(),
                "See the free space of the datastore and the events of the host."),
        };
    }

    private System.Xml.Linq.XElement? DatacenterOf(VimReference datacenter) =>
        vim.IsVirtualCenter ? VimXml.Element("datacenter", datacenter) : null;
}
