mod basics;
mod bounds;
mod drops;
mod faults;
mod hostile;
