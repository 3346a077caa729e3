namespace Natalia.Backup.Engine;

/// <summary>Every error id that the product uses. An id is never reused with another meaning.</summary>
public static class ErrorIds
{
    // The comment beside each id is its documentation; about_NataliaErrors lists them for users.
#pragma warning disable CS1591

    // Repository
    // the folder or bucket holds nothing
    public const string RepositoryNotFound = nameof(RepositoryNotFound);
    // New- where a repository already is
    public const string RepositoryExists = nameof(RepositoryExists);
    // a folder with something else in it
    public const string NotARepository = nameof(NotARepository);
    // natalia.json or all key slots unreadable
    public const string RepositoryDamaged = nameof(RepositoryDamaged);
    // written by a newer version of the module
    public const string RepositoryFormatTooNew = nameof(RepositoryFormatTooNew);
    public const string WrongPassword = nameof(WrongPassword);
    public const string PasswordInvalid = nameof(PasswordInvalid);                   // not text: half of a character
    // the session was opened without one
    public const string PasswordRequired = nameof(PasswordRequired);
    // a new password was typed twice, and not the same
    public const string PasswordsDiffer = nameof(PasswordsDiffer);
    // a password for an unencrypted repository
    public const string PasswordNotExpected = nameof(PasswordNotExpected);
    // several are connected and none was named
    public const string RepositoryAmbiguous = nameof(RepositoryAmbiguous);
    public const string RepositoryNotConnected = nameof(RepositoryNotConnected);
    // a session to that storage is open
    public const string RepositoryConnected = nameof(RepositoryConnected);
    public const string NameInUse = nameof(NameInUse);                               // a session of that name exists
    // another run writes this appliance's part
    public const string LeaseHeld = nameof(LeaseHeld);
    public const string LeaseLost = nameof(LeaseLost);                               // somebody took the lease over
    // a check of the repository as a whole found damage
    public const string RepositoryCheckFailed = nameof(RepositoryCheckFailed);
    // the audit log is not what was written
    public const string AuditChainBroken = nameof(AuditChainBroken);
    // an optimization that could take from a reader what it reads
    public const string GraceTooShort = nameof(GraceTooShort);
    public const string KeySlotNotFound = nameof(KeySlotNotFound);
    // the beginning of an id, or a name, fits several
    public const string KeySlotAmbiguous = nameof(KeySlotAmbiguous);
    // no slot that stays was opened by this session
    public const string KeySlotNotProven = nameof(KeySlotNotProven);
    public const string KeyNameInUse = nameof(KeyNameInUse);                         // another key slot has that name
    public const string LastKeySlot = nameof(LastKeySlot);
    public const string RepositoryNotEncrypted = nameof(RepositoryNotEncrypted);     // it has no passwords

    // Stored objects
    public const string ObjectNotFound = nameof(ObjectNotFound);
    public const string ObjectExists = nameof(ObjectExists);                         // exclusive create lost
    public const string ObjectDamaged = nameof(ObjectDamaged);                       // envelope, checksum or seal wrong
    public const string PackMissing = nameof(PackMissing);
    public const string ManifestDamaged = nameof(ManifestDamaged);
    public const string BlockMapDamaged = nameof(BlockMapDamaged);
    public const string BlockDamaged = nameof(BlockDamaged);
    public const string DeltaDamaged = nameof(DeltaDamaged);

    // what lies among the manifests, cannot be read, and no record knows
    public const string ManifestUnknown = nameof(ManifestUnknown);
    // a name has no room for the next number
    public const string NumberExhausted = nameof(NumberExhausted);

    // Stores
    public const string StoreReadFailed = nameof(StoreReadFailed);
    public const string StoreWriteFailed = nameof(StoreWriteFailed);
    public const string StoreFull = nameof(StoreFull);
    // no more open files or memory for this process
    public const string SystemLimitReached = nameof(SystemLimitReached);
    public const string StoreAccessDenied = nameof(StoreAccessDenied);
    public const string StoreUnavailable = nameof(StoreUnavailable);
    // another program holds a file of the repository open for itself
    public const string StoreFileInUse = nameof(StoreFileInUse);
    // a share knows no such user, or another password
    public const string ShareCredentialRefused = nameof(ShareCredentialRefused);
    // not a UNC path, or not on Windows
    public const string ShareCredentialNotSupported = nameof(ShareCredentialNotSupported);
    // Windows is connected to that server as another user
    public const string ShareUserConflict = nameof(ShareUserConflict);
    // under object lock: not deletable before its date
    public const string ObjectLocked = nameof(ObjectLocked);
    // the store took a lock request but did not lock
    public const string ObjectNotLocked = nameof(ObjectNotLocked);
    // a folder, or a bucket made without object lock
    public const string ObjectLockNotSupported = nameof(ObjectLockNotSupported);
    // lies in an archive class and must be thawed first
    public const string ObjectArchived = nameof(ObjectArchived);
    // the server asks for fewer requests
    public const string StoreThrottled = nameof(StoreThrottled);
    // unknown access key, wrong secret, expired token
    public const string StoreCredentialRefused = nameof(StoreCredentialRefused);
    // none was given and the SDK's own chain found none
    public const string StoreCredentialMissing = nameof(StoreCredentialMissing);
    // the host name of an endpoint is unknown
    public const string StoreEndpointNotFound = nameof(StoreEndpointNotFound);
    // something answers there, but not an S3 server
    public const string StoreEndpointInvalid = nameof(StoreEndpointInvalid);
    // a bucket's name, region or prefix that cannot be one
    public const string StoreSettingInvalid = nameof(StoreSettingInvalid);
    // a key or secret with what no key has: blanks, line ends
    public const string StoreCredentialInvalid = nameof(StoreCredentialInvalid);
    // the server sends requests to another host
    public const string StoreRedirected = nameof(StoreRedirected);
    // against S3's own rules; another try would only hide it
    public const string StoreAnswerInvalid = nameof(StoreAnswerInvalid);
    public const string ProxyAuthenticationFailed = nameof(ProxyAuthenticationFailed); // 407
    // the environment names a proxy that is no address
    public const string ProxyInvalid = nameof(ProxyInvalid);
    // TLS: not trusted, not the pinned one, wrong name, expired
    public const string StoreCertificateRefused = nameof(StoreCertificateRefused);
    // this machine's clock is too far from the server's
    public const string StoreClockSkewed = nameof(StoreClockSkewed);
    public const string BucketNotFound = nameof(BucketNotFound);
    public const string BucketRegionWrong = nameof(BucketRegionWrong);
    // immutability was asked for, the bucket was made without it
    public const string BucketWithoutObjectLock = nameof(BucketWithoutObjectLock);
    // a destination does not keep what a store must promise
    public const string StoreCheckFailed = nameof(StoreCheckFailed);
    // a path from outside leaves its folder
    public const string PathNotContained = nameof(PathNotContained);

    // Restore points and disks
    public const string RestorePointNotFound = nameof(RestorePointNotFound);
    // the beginning of an id fits several points
    public const string RestorePointAmbiguous = nameof(RestorePointAmbiguous);
    public const string RestorePointProtected = nameof(RestorePointProtected);
    // a period or mode of locks that cannot be
    public const string ImmutabilityInvalid = nameof(ImmutabilityInvalid);
    // locks that follow the policy, and no policy
    public const string ImmutabilityWithoutRetention = nameof(ImmutabilityWithoutRetention);
    public const string RestorePointLocked = nameof(RestorePointLocked);
    // what it needs lies in an archive class and must be thawed first
    public const string RestorePointArchived = nameof(RestorePointArchived);
    public const string RestorePointInUse = nameof(RestorePointInUse);               // a restore reads it
    // the newest good point is never removed
    public const string RestorePointIsNewest = nameof(RestorePointIsNewest);
    // source and destination of a copy are one repository
    public const string CopyOntoItself = nameof(CopyOntoItself);
    public const string RestorePointDamaged = nameof(RestorePointDamaged);           // verification found damage
    public const string DiskNotFound = nameof(DiskNotFound);
    public const string DiskAmbiguous = nameof(DiskAmbiguous);
    public const string DiskReadFailed = nameof(DiskReadFailed);
    // the log knows it, its manifest is not there
    public const string RestorePointMissing = nameof(RestorePointMissing);
    public const string DiskEmpty = nameof(DiskEmpty);                               // an image or device of no length
    // the hypervisor lets the disk's bytes be read by none of the ways that there are
    public const string ReadMethodMissing = nameof(ReadMethodMissing);
    public const string DiskInUse = nameof(DiskInUse);
    // the image may not be read by this user
    public const string DiskAccessDenied = nameof(DiskAccessDenied);
    // quiescing was required, and the guest did not
    public const string QuiesceFailed = nameof(QuiesceFailed);
    // a cold image was written during the backup
    public const string DiskChangedWhileRead = nameof(DiskChangedWhileRead);
    public const string DiskFormatNotSupported = nameof(DiskFormatNotSupported);
    // an image contradicts its own format: damaged, cut off, or made to mislead
    public const string DiskImageInvalid = nameof(DiskImageInvalid);
    // the parent of a differencing image is not there, or holds another state
    public const string DiskParentNotFound = nameof(DiskParentNotFound);
    public const string DestinationExists = nameof(DestinationExists);
    public const string DestinationWriteFailed = nameof(DestinationWriteFailed);
    public const string DestinationFull = nameof(DestinationFull);
    // the disk to replace has another size
    public const string DiskSizeMismatch = nameof(DiskSizeMismatch);
    // firmware state that belongs to a VM; its disks can be backed up all the same
    public const string AttachmentNotRead = nameof(AttachmentNotRead);
    public const string ConfigurationNotStored = nameof(ConfigurationNotStored);

    // Hypervisors and appliances
    public const string HypervisorNotFound = nameof(HypervisorNotFound);             // the folder or host is not there
    public const string HypervisorNotConnected = nameof(HypervisorNotConnected);
    public const string HypervisorAmbiguous = nameof(HypervisorAmbiguous);
    public const string ApplianceNotFound = nameof(ApplianceNotFound);
    public const string ApplianceAmbiguous = nameof(ApplianceAmbiguous);
    public const string ApplianceStillExists = nameof(ApplianceStillExists);         // its place cannot be taken
    public const string ApplianceReplaced = nameof(ApplianceReplaced);               // another VM took its place
    public const string SuccessionUnknown = nameof(SuccessionUnknown);               // a repository is silent
    public const string ApplianceScheduled = nameof(ApplianceScheduled);             // a schedule keeps it enrolled
    public const string ApplianceDescriptionInvalid = nameof(ApplianceDescriptionInvalid);
    // neither a name that is known nor a wildcard that can be
    public const string NamePatternInvalid = nameof(NamePatternInvalid);
    // the list of enrolled appliances is empty, and nothing would be protected
    public const string NothingEnrolled = nameof(NothingEnrolled);
    // a pipeline brought nothing to what protects, proves or gives back
    public const string NothingToDo = nameof(NothingToDo);
    // a report was piped in where a point or an appliance is meant
    public const string InputRefused = nameof(InputRefused);
    public const string CapabilityMissing = nameof(CapabilityMissing);
    // what is to be recorded cannot be, so nothing was changed
    public const string EvidenceUnavailable = nameof(EvidenceUnavailable);
    public const string EvidenceNotRecorded = nameof(EvidenceNotRecorded);           // it was done, and no record tells

    // no host of the connection answers
    public const string ServerUnreachable = nameof(ServerUnreachable);
    // its certificate is not the one expected
    public const string ServerNotTrusted = nameof(ServerNotTrusted);
    public const string AuthenticationFailed = nameof(AuthenticationFailed);
    // the account wants a one-time code
    public const string SecondFactorRequired = nameof(SecondFactorRequired);
    // only a key that needs a person and a browser
    public const string SecondFactorNotSupported = nameof(SecondFactorNotSupported);
    public const string SessionExpired = nameof(SessionExpired);                     // and could not be renewed
    // names the right and the path where known
    public const string PermissionDenied = nameof(PermissionDenied);
    // the arguments or the state are not acceptable to it
    public const string ServerRefused = nameof(ServerRefused);
    public const string ServerError = nameof(ServerError);                           // it failed by itself
    public const string ServerAnswerInvalid = nameof(ServerAnswerInvalid);           // not what the interface promises
    // it may or may not have been carried out
    public const string RequestOutcomeUnknown = nameof(RequestOutcomeUnknown);
    public const string TaskFailed = nameof(TaskFailed);
    // still running when the deadline passed
    public const string TaskNotFinished = nameof(TaskNotFinished);
    public const string TaskLost = nameof(TaskLost);                                 // its end is not known
    public const string ApplianceLocked = nameof(ApplianceLocked);                   // another operation holds the VM
    public const string ApplianceRunning = nameof(ApplianceRunning);                 // must be switched off for this
    public const string ApplianceMoved = nameof(ApplianceMoved);                     // it keeps moving between nodes
    public const string ApplianceNotSuitable = nameof(ApplianceNotSuitable);         // cannot be backed up as it is
    public const string MergeNotFinished = nameof(MergeNotFinished);                 // the host still merges its disks
    // the server's license forbids it: the free one of ESXi
    public const string LicenseRestricted = nameof(LicenseRestricted);
    // a snapshot is gone and its disks are not merged: VMware
    public const string ConsolidationNeeded = nameof(ConsolidationNeeded);
    // the hypervisor said yes and did nothing
    public const string NothingWasBackedUp = nameof(NothingWasBackedUp);
    // its own setting keeps it out of every backup
    public const string DiskExcluded = nameof(DiskExcluded);
    // the point is of another VM that had the same number
    public const string ApplianceMismatch = nameof(ApplianceMismatch);
    public const string StorageNotFound = nameof(StorageNotFound);
    // takes no backups, or is not active
    public const string StorageNotSuitable = nameof(StorageNotSuitable);
    // whole and data-disk-only points in one place
    public const string StorageMixesKinds = nameof(StorageMixesKinds);
    public const string NetworkNotFound = nameof(NetworkNotFound);
    // a copy would join the network of its original; that must be said
    public const string NetworkChoiceRequired = nameof(NetworkChoiceRequired);
    // a VM of that name exists; a second one could not be told from it
    public const string ApplianceNameInUse = nameof(ApplianceNameInUse);
    public const string SnapshotNotFound = nameof(SnapshotNotFound);
    public const string SnapshotNotOwn = nameof(SnapshotNotOwn);                     // somebody else's is never touched
    public const string ScheduleNotFound = nameof(ScheduleNotFound);
    public const string ScheduleNotOwn = nameof(ScheduleNotOwn);                     // somebody else's is never touched
    public const string ScheduleOmitsDisk = nameof(ScheduleOmitsDisk);               // the data disk is not in it
    // a name, account, profile or path of it cannot be used
    public const string ScheduleInvalid = nameof(ScheduleInvalid);
    public const string ScheduleNotRegistered = nameof(ScheduleNotRegistered);       // refused; all is as before
    public const string ScheduleNotRemoved = nameof(ScheduleNotRemoved);             // or not whole
    public const string SchedulerNotAvailable = nameof(SchedulerNotAvailable);       // neither of the known ones
    public const string StrategyNotScheduled = nameof(StrategyNotScheduled);         // replication is no schedule
    public const string ReplicationNotFound = nameof(ReplicationNotFound);
    public const string ReplicationPreconditionFailed = nameof(ReplicationPreconditionFailed);
    // a test VM that might reach the world is not started
    public const string IsolationNotProven = nameof(IsolationNotProven);
    public const string NotATestAppliance = nameof(NotATestAppliance);               // carries no mark of this product
    // carries no record of that building
    public const string NotAnUnfinishedAppliance = nameof(NotAnUnfinishedAppliance);
    public const string GuestNotReachable = nameof(GuestNotReachable);               // no agent, or it does not answer
    public const string GuestCommandTimeout = nameof(GuestCommandTimeout);
    public const string GuestCommandFailed = nameof(GuestCommandFailed);
    // SSH into a guest: its host key is not a fingerprint or public key, is not known, or is another one
    public const string SshHostInvalid = nameof(SshHostInvalid);
    public const string SshHostKeyInvalid = nameof(SshHostKeyInvalid);
    public const string SshHostKeyRequired = nameof(SshHostKeyRequired);
    public const string SshHostKeyNotTrusted = nameof(SshHostKeyNotTrusted);
    // a private key that is not there, cannot be read, or needs another password
    public const string SshKeyInvalid = nameof(SshKeyInvalid);
    public const string GuestCredentialRequired = nameof(GuestCredentialRequired);

    // Restores of points, and their tests
    // a data disk alone does not boot, and no system image was named
    public const string SystemImageRequired = nameof(SystemImageRequired);
    public const string SystemImageNotFound = nameof(SystemImageNotFound);
    // a relative path means another file to every process
    public const string SystemImagePathInvalid = nameof(SystemImagePathInvalid);
    // no OVA, and no image that stands by itself
    public const string SystemImageNotSupported = nameof(SystemImageNotSupported);
    // an OVA whose manifest has other digests
    public const string SystemImageDamaged = nameof(SystemImageDamaged);
    // more than the place has room for that keeps them
    public const string SettingsTooLong = nameof(SettingsTooLong);
    // weekends and holidays that cannot be read, or leave no business day
    public const string BusinessCalendarInvalid = nameof(BusinessCalendarInvalid);
    public const string BusinessCalendarNotFound = nameof(BusinessCalendarNotFound);
    public const string ToleranceInvalid = nameof(ToleranceInvalid);                 // not from 0 to 100 percent
    // below zero, or one count for several appliances
    public const string CdrBaselineInvalid = nameof(CdrBaselineInvalid);
    // no program with a name, or a quote that does not end
    public const string GuestCommandInvalid = nameof(GuestCommandInvalid);
    // no connected hypervisor that could run a restore test, or several
    public const string TestBenchNotFound = nameof(TestBenchNotFound);
    public const string TestBenchAmbiguous = nameof(TestBenchAmbiguous);
    // a bench that needs to be told which network leads nowhere
    public const string IsolatedNetworkRequired = nameof(IsolatedNetworkRequired);
    public const string RestoreTestFailed = nameof(RestoreTestFailed);               // a check of it failed
    // no check failed, but not all could be made: it proves nothing
    public const string RestoreTestNotEvidenced = nameof(RestoreTestNotEvidenced);
    // it ended, and no log tells
    public const string RestoreTestNotRecorded = nameof(RestoreTestNotRecorded);
    // something that is neither a script block nor a table of them, or a name twice
    public const string CheckInvalid = nameof(CheckInvalid);

    // Disks that are served
    // an address that is not this machine's, or a port that is taken
    public const string AddressNotAvailable = nameof(AddressNotAvailable);
    // other machines could connect, and nothing would be asked of them
    public const string MountNotProtected = nameof(MountNotProtected);
    public const string MountNotFound = nameof(MountNotFound);
    public const string ServedDiskReadOnly = nameof(ServedDiskReadOnly);             // a write to a restore point
    public const string OverlayFull = nameof(OverlayFull);                           // its limit, or its file system
    public const string OverlayFailed = nameof(OverlayFailed);                       // its file cannot be used
    public const string OverlayInUse = nameof(OverlayInUse);                         // another mount writes it
    public const string OverlayMismatch = nameof(OverlayMismatch);                   // of another disk or point
    public const string OverlayInvalid = nameof(OverlayInvalid);                     // no overlay, or a broken one

    // a VM that ran from a restore point could not be given disks of its own, and is gone
    public const string DiskMoveFailed = nameof(DiskMoveFailed);
    // a VM that has all of its disks and runs, and whose restore could not be ended on paper
    public const string RestoreNotRecorded = nameof(RestoreNotRecorded);

    // Reports
    // without its private key, expired, or of a kind that does not sign
    public const string CertificateUnusable = nameof(CertificateUnusable);
    // a signed report that is not what was signed, or whose signer is not to be trusted
    public const string ReportNotProved = nameof(ReportNotProved);
    public const string ReportNotFound = nameof(ReportNotFound);                     // none of its files is there
    public const string RestoreTestNotFound = nameof(RestoreTestNotFound);           // no log tells of it

    // Profiles
    public const string ProfileNotFound = nameof(ProfileNotFound);
    public const string ProfileInvalid = nameof(ProfileInvalid);
    public const string SecretNotResolved = nameof(SecretNotResolved);

    // Retention
    public const string RetentionPolicyMissing = nameof(RetentionPolicyMissing);
    public const string RetentionPolicyKeepsNothing = nameof(RetentionPolicyKeepsNothing);
    // its record is damaged, or of a newer version
    public const string RetentionPolicyDamaged = nameof(RetentionPolicyDamaged);
    public const string RetentionPolicyInvalid = nameof(RetentionPolicyInvalid);     // a negative limit
    // a piped object without a usable time
    public const string RetentionInputInvalid = nameof(RetentionInputInvalid);
    // a question of any command, and nobody there to answer
    public const string NotConfirmed = nameof(NotConfirmed);
    // lost points are to be removed, and nobody there to ask
    public const string RemovalNotConfirmed = nameof(RemovalNotConfirmed);
    // a stricter policy, and nobody there to ask
    public const string RetentionChangeNotConfirmed = nameof(RetentionChangeNotConfirmed);
    // a policy and locks that cannot work together
    public const string RetentionLockConflict = nameof(RetentionLockConflict);
    // a point because of which another was to go has gone itself
    public const string RetentionPlanOutdated = nameof(RetentionPlanOutdated);
    public const string TimeZoneNotFound = nameof(TimeZoneNotFound);

    // Anything
    // not a path of the file system, or of no file
    public const string PathNotSupported = nameof(PathNotSupported);
    public const string Unexpected = nameof(Unexpected);
#pragma warning restore CS1591
}
